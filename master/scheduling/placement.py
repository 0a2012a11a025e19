"""Where tasks run: who is there, and who takes which idle task. The rules stand in `scheduler`.

What is known of the workers lasts from stage to stage, and so does where tasks are at home.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from common.model import Role
from master.scheduling.messages import (
    Event,
    TaskId,
    WorkerHeard,
    WorkerId,
    WorkerJoined,
    WorkerLost,
    WorkerSilent,
)
from master.scheduling.task import Task, TaskState

_FAILURES_AT_HOME = 2


@dataclass
class _Seat:
    """The place of a worker: one process after another sits there. `worker` is None in between."""

    worker: WorkerId | None
    silent: bool = False


class Placement:
    """Who is there, and which tasks are at home where; nobody at first.

    Parameters
    ----------
    homes
        Index of the worker that a task runs at by preference; kept up to date.
    """

    def __init__(self, homes: dict[TaskId, int] | None = None) -> None:
        self._seats: dict[tuple[Role, int], _Seat] = {}
        self._homes = {} if homes is None else homes

    def take_in(self, event: Event) -> bool:
        """Note what happened to a worker; tell whether that changed who is there, or silent."""
        match event:
            case WorkerJoined(worker):
                return self._join(worker)
            case WorkerLost():
                return self._lose(event)
            case WorkerSilent(worker):
                return self.set_silent(worker, True)
            case WorkerHeard(worker):
                return self.set_silent(worker, False)
        return False

    def _join(self, worker: WorkerId) -> bool:
        place = worker.role, worker.index
        was = self._seats.get(place)
        self._seats[place] = _Seat(worker)
        return was is None or was.worker != worker

    def _lose(self, lost: WorkerLost) -> bool:
        """Empty the worker's seat, or take it away, unless another one sits there by now."""
        place = lost.worker.role, lost.worker.index
        seat = self._seats.get(place)
        if seat is not None and seat.worker not in (lost.worker, None):
            return False
        if lost.returns:
            self._seats[place] = _Seat(None)
        else:
            self._seats.pop(place, None)
        return True

    def set_silent(self, worker: WorkerId, silent: bool) -> bool:
        """Note whether a worker is heard from; tell whether this is news."""
        seat = self._seats.get((worker.role, worker.index))
        if seat is None or seat.worker != worker or seat.silent == silent:
            return False
        seat.silent = silent
        return True

    def joined(self, role: Role) -> int:
        """Count those of a role who are there."""
        return sum(seat.worker is not None for (of, _), seat in self._seats.items() if of is role)

    def has(self, role: Role) -> bool:
        """Tell whether there is anyone of a role, or will be."""
        return any(seat_role is role for seat_role, _ in self._seats)

    def move_home(self, task: Task, index: int) -> None:
        """Let the task belong to that worker's place from now on."""
        task.home = self._homes[task.id] = index

    def idle(self, role: Role, busy: Collection[WorkerId]) -> list[WorkerId]:
        """Return the workers of a role that can take an attempt, in the order of their indexes."""
        workers = [seat.worker for seat in self._seats.values() if seat.worker and not seat.silent]
        return sorted(
            (worker for worker in workers if worker.role is role and worker not in busy),
            key=lambda worker: worker.index,
        )

    def assign(
        self, role: Role, tasks: Sequence[Task], busy: Collection[WorkerId], stuck: Collection[WorkerId]
    ) -> Iterator[tuple[Task, WorkerId]]:
        """Choose a worker for each idle task that need not wait.

        Parameters
        ----------
        role
            Of the tasks.
        tasks
            All that the role has in this stage.
        busy
            Workers with an attempt in progress.
        stuck
            Those of which it takes much longer than others did.
        """
        idle = {worker.index: worker for worker in self.idle(role, busy)}
        if not idle:
            return
        places = {index for seat_role, index in self._seats if seat_role is role}
        queues: dict[int | None, list[Task]] = {}
        outcasts: list[Task] = []
        for task in tasks:
            if task.state is TaskState.IDLE:
                if task.home not in places:
                    self._find_home(task, places)
                at_home = task.failures_at_home < _FAILURES_AT_HOME
                (queues.setdefault(task.home, []) if at_home else outcasts).append(task)
        working = {worker.index for worker in busy if worker.role is role}
        late = {worker.index for worker in stuck}
        for index, queue in queues.items():
            if index is not None and index in idle:
                working.add(index)
                yield queue.pop(0), idle.pop(index)
        for task in outcasts:
            worker = self._elsewhere(task, idle)
            if worker is not None:
                yield task, idle.pop(worker.index)
        yield from self._steal(tasks, queues, idle, working, late)

    def _steal(
        self,
        tasks: Sequence[Task],
        queues: dict[int | None, list[Task]],
        idle: dict[int, WorkerId],
        working: set[int],
        late: set[int],
    ) -> Iterator[tuple[Task, WorkerId]]:
        """Let workers with nothing to do take from the ends of the longest queues.

        The first in a queue is its home's, which will soon have the time. It is taken, too, if the home is
        late with another, and by a worker that is nobody's home, for it joined late.
        """
        if not idle or not queues:
            return
        homes = {task.home for task in tasks}
        for index, worker in idle.items():
            new = index not in homes
            lengths = {
                home: len(queue)
                for home, queue in queues.items()
                if len(queue) > (0 if home in late or (new and home in working) else 1)
            }
            if index not in queues and lengths:
                longest = max(lengths, key=lambda home: (lengths[home], -(home or 0)))
                yield queues[longest].pop(), worker

    def _elsewhere(self, task: Task, idle: dict[int, WorkerId]) -> WorkerId | None:
        """Return a worker other than the one where the task failed, if there is, or will be, another."""
        others = any(role is task.id.role and index != task.failed_at for role, index in self._seats)
        return next((w for w in idle.values() if not others or w.index != task.failed_at), None)

    def _find_home(self, task: Task, places: Collection[int]) -> None:
        """Give a task its home of the stage before; if that is gone, the place that is home to the fewest."""
        home = self._homes.get(task.id)
        if home is None or home not in places:
            taken = Counter(index for owner, index in self._homes.items() if owner.role is task.id.role)
            home = min(places, key=lambda index: (taken[index], index))
        self.move_home(task, home)
