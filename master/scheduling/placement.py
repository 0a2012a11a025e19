"""Where tasks run: which workers there are, and which of them takes which idle task.

The rules are in `scheduler`. What is known of the workers lasts from stage to stage, and so do the homes of
tasks. A slot is a worker's role and index: one process after another may fill it.
"""

from collections import Counter
from collections.abc import Collection, Sequence

from common.model import Role
from master.scheduling.messages import (
    Notice,
    TaskId,
    WorkerBack,
    WorkerGone,
    WorkerId,
    WorkerQuiet,
    WorkerReady,
)
from master.scheduling.task import Task, TaskState

_FAILURES_AT_HOME = 2


class Placement:
    """The workers' slots, and the homes of tasks, which are kept up to date; no worker at first."""

    def __init__(self, homes: dict[TaskId, int] | None = None) -> None:
        self._slots: dict[tuple[Role, int], WorkerId | None] = {}
        """None while the worker's process is being started again."""
        self._silent: set[WorkerId] = set()
        self._homes = {} if homes is None else homes

    def take_in(self, notice: Notice) -> bool:
        """Record what happened to a worker; return whether that changed a slot."""
        match notice:
            case WorkerReady(worker):
                return self._join(worker)
            case WorkerGone():
                return self._lose(notice)
            case WorkerQuiet(worker):
                return self.set_silent(worker, True)
            case WorkerBack(worker):
                return self.set_silent(worker, False)
        return False

    def _join(self, worker: WorkerId) -> bool:
        key = worker.role, worker.index
        old = self._slots.get(key)
        self._slots[key] = worker
        self._silent -= {old, worker}
        return old != worker

    def _lose(self, lost: WorkerGone) -> bool:
        """Empty the worker's slot, or remove it, unless another worker fills it by now."""
        key = lost.worker.role, lost.worker.index
        if self._slots.get(key) not in (lost.worker, None):
            return False
        self._silent.discard(lost.worker)
        if lost.returns:
            self._slots[key] = None
        else:
            self._slots.pop(key, None)
        return True

    def set_silent(self, worker: WorkerId, silent: bool) -> bool:
        """Record whether a worker is heard from; return whether that is a change."""
        there = self._slots.get((worker.role, worker.index)) == worker
        if not there or (worker in self._silent) == silent:
            return False
        self._silent ^= {worker}
        return True

    def joined(self, role: Role) -> int:
        """Count the workers of a role that are there."""
        return sum(worker.role is role for worker in self._slots.values() if worker)

    def has(self, role: Role) -> bool:
        """Return whether there is any worker of a role, or will be."""
        return bool(self._indexes(role))

    def move_home(self, task: Task, index: int) -> None:
        """Make that worker's slot the task's home from now on."""
        task.home = self._homes[task.id] = index

    def idle(self, role: Role, busy: Collection[WorkerId]) -> list[WorkerId]:
        """Return the workers of a role that can take an attempt, in the order of their indexes."""
        workers = [worker for worker in self._slots.values() if worker and worker.role is role]
        able = [worker for worker in workers if worker not in self._silent and worker not in busy]
        return sorted(able, key=lambda worker: worker.index)

    def assign(
        self, role: Role, tasks: Sequence[Task], busy: Collection[WorkerId], late: Collection[WorkerId]
    ) -> list[tuple[Task, WorkerId]]:
        """Choose a worker for each idle task that need not wait; change nothing but homes.

        `tasks` are all that the role has in this stage. `busy` workers have an attempt in progress; the
        attempt of those that are `late` is a straggler.
        """
        free = {worker.index: worker for worker in self.idle(role, busy)}
        if not free:
            return []
        waiting = [task for task in tasks if task.state is TaskState.IDLE]
        self._find_homes(role, waiting)
        outcasts = [task for task in waiting if task.failures_at_home >= _FAILURES_AT_HOME]
        queues: dict[int | None, list[Task]] = {}
        for task in waiting:
            if task.failures_at_home < _FAILURES_AT_HOME:
                queues.setdefault(task.home, []).append(task)

        at_home = [(queue.pop(0), free.pop(home)) for home, queue in queues.items() if home in free]
        elsewhere = self._assign_elsewhere(role, outcasts, free)
        working = {worker.index for worker in busy if worker.role is role}
        working |= {worker.index for _, worker in at_home}
        newcomers = free.keys() - {task.home for task in tasks}
        relieved = _relieve(queues, free, newcomers, working, {worker.index for worker in late})
        return at_home + elsewhere + relieved

    def _assign_elsewhere(
        self, role: Role, tasks: Sequence[Task], free: dict[int, WorkerId]
    ) -> list[tuple[Task, WorkerId]]:
        """Take free workers other than the one where a task failed last, if there is, or will be, another."""
        chosen: list[tuple[Task, WorkerId]] = []
        for task in tasks:
            avoided = task.failed_at if self._indexes(role) - {task.failed_at} else None
            able = [index for index in free if index != avoided]
            chosen += [(task, free.pop(index)) for index in able[:1]]
        return chosen

    def _find_homes(self, role: Role, tasks: Sequence[Task]) -> None:
        """Give each task its last home; if that is gone, the slot that is home to the fewest tasks."""
        indexes = self._indexes(role)
        for task in tasks:
            if task.home not in indexes:
                home = self._homes.get(task.id)
                if home not in indexes:
                    taken = Counter(index for owner, index in self._homes.items() if owner.role is role)
                    home = min(indexes, key=lambda index: (taken[index], index))
                self.move_home(task, home)

    def _indexes(self, role: Role) -> set[int]:
        return {index for of, index in self._slots if of is role}


def _relieve(
    queues: dict[int | None, list[Task]],
    free: dict[int, WorkerId],
    newcomers: Collection[int],
    working: Collection[int],
    late: Collection[int],
) -> list[tuple[Task, WorkerId]]:
    """Let workers that have nothing to do take the last task of the longest queue.

    The first task in a queue is left to its home, which will soon have the time. It is taken, too, if the
    home is late with another one, or if the home is working and the free worker is nobody's home. No worker
    takes a task that failed there last: it might fail it again and again while the others work.
    """
    chosen = []
    for index, worker in free.items():
        open_to: dict[int | None, list[Task]] = {}
        for home, queue in queues.items():
            first = 0 if home in late or (index in newcomers and home in working) else 1
            open_to[home] = [task for task in queue[first:] if task.failed_at != index]
        able = [home for home, tasks in open_to.items() if tasks]
        if able:
            longest = max(able, key=lambda home: (len(queues[home]), -(home or 0)))
            task = open_to[longest][-1]
            queues[longest].remove(task)
            chosen.append((task, worker))
    return chosen
