"""Which workers belong to the run: the rules, without lock, clock, log or wire.

A worker holds a slot, called M1, say. This master starts one process after another for slots of its own, and
only the newest process of a slot may join. A worker from elsewhere gets the first free slot of its role,
and the same one when it joins again.
"""

import threading
from dataclasses import dataclass, field
from itertools import count

from common.errors import StaleAttemptError
from common.model import Role
from common.store.names import node_name
from master.scheduling.liveness import DEAD_AFTER_S, HUNG_AFTER_S, Health, Heartbeats
from master.scheduling.messages import WorkerId

JOIN_TIMEOUT_S = 60.0
"""For a process that this master started."""


def slot_of(worker: WorkerId) -> str:
    """Name the slot that a worker holds, or held: M1."""
    return node_name(worker.role, worker.index)


@dataclass
class Registered:
    """A worker that has joined. `instance` is empty for a process that this master started."""

    worker: WorkerId
    heartbeats: Heartbeats
    instance: str = ""
    awaited: bool = False
    """It was silent or did not answer: its next heartbeat is news."""
    told: threading.Event = field(default_factory=threading.Event)
    """It knows that the run is over."""

    def cause_of_death(self, now_s: float) -> str:
        """Return why its heartbeats mean that it is dead; empty if they don't."""
        match self.heartbeats.health(now_s):
            case Health.DEAD:
                return f"{slot_of(self.worker)} was silent for {DEAD_AFTER_S:g} s"
            case Health.HUNG:
                return f"{slot_of(self.worker)} hangs: no progress for {HUNG_AFTER_S:g} s"
        return ""

    def falls_silent(self, now_s: float) -> bool:
        """Tell, once, that its heartbeats are missing; the next one is awaited then."""
        silent = not self.awaited and self.heartbeats.health(now_s) is Health.SILENT
        self.awaited |= silent
        return silent


class Registry:
    """The workers that have joined, and the processes that may."""

    def __init__(self) -> None:
        self._own_slots: set[str] = set()
        self._expected: dict[WorkerId, float] = {}
        self._joined: dict[WorkerId, Registered] = {}
        self._instances: dict[tuple[Role, str], WorkerId] = {}

    def expect(self, worker: WorkerId, now_s: float) -> None:
        """Let a process that this master has started join; the one before it has been removed."""
        self._own_slots.add(slot_of(worker))
        self._expected[worker] = now_s

    def join(self, worker: WorkerId, now_s: float) -> None:
        """Add a process that this master started; StaleAttemptError if it is not expected."""
        if worker not in self._expected:
            raise StaleAttemptError("this master did not start that worker, or has replaced it")
        self._joined[worker] = Registered(worker, Heartbeats(now_s))

    def join_from_elsewhere(self, role: Role, instance: str, now_s: float) -> WorkerId:
        """Add a worker from elsewhere and return who it is; who it was before has been removed."""
        if not instance:
            raise StaleAttemptError("a worker from elsewhere names its instance")
        before = self._instances.get((role, instance)) or self._free_slot(role)
        worker = WorkerId(role, before.index, before.incarnation + 1)
        self._instances[role, instance] = worker
        self._joined[worker] = Registered(worker, Heartbeats(now_s), instance)
        return worker

    def joined_as(self, role: Role, instance: str) -> Registered | None:
        """Return a worker from elsewhere, if it has joined."""
        worker = self._instances.get((role, instance))
        return None if worker is None else self._joined.get(worker)

    def remove(self, worker: WorkerId) -> None:
        """Forget a worker, whether it joined or not."""
        self._joined.pop(worker, None)
        self._expected.pop(worker, None)

    def get(self, worker: WorkerId) -> Registered:
        """Return a worker that has joined; StaleAttemptError if it is not, or no longer, one of this run."""
        if worker not in self._joined:
            raise StaleAttemptError("that worker is not, or no longer, one of this run")
        return self._joined[worker]

    def joined(self) -> list[Registered]:
        """Return all that have joined."""
        return list(self._joined.values())

    def overdue(self, now_s: float) -> list[WorkerId]:
        """Return the processes that were started long ago and have not joined."""
        late = [worker for worker, since_s in self._expected.items() if now_s - since_s > JOIN_TIMEOUT_S]
        return [worker for worker in late if worker not in self._joined]

    def _free_slot(self, role: Role) -> WorkerId:
        taken = {slot_of(worker) for worker in self._instances.values()} | self._own_slots
        nobody = (WorkerId(role, index, incarnation=0) for index in count(1))
        return next(worker for worker in nobody if slot_of(worker) not in taken)
