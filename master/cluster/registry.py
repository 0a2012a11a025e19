"""Which workers belong to the run: the rules, without lock, clock, log or wire.

A worker holds a slot, called M1, say, and has a token, which only it and the master know. This master starts
one process after another for slots of its own, and only the newest process of a slot may join. A worker from
elsewhere draws its token itself. It gets the first free slot of its role; when it joins again, the same one.
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
    """A worker that has joined; `own` if this master started its process."""

    worker: WorkerId
    heartbeats: Heartbeats
    own: bool = False
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

    def __init__(self, *, takes_strangers: bool) -> None:
        self._takes_strangers = takes_strangers
        self._own_slots: set[str] = set()
        self._expected: dict[WorkerId, float] = {}
        self._joined: dict[WorkerId, Registered] = {}
        self._workers: dict[str, WorkerId] = {}
        """By token; who is gone stays known: the last lines of its log may still come."""

    def expect(self, worker: WorkerId, token: str, now_s: float) -> None:
        """Let a process that this master has started join; the one before it has been removed."""
        self._own_slots.add(slot_of(worker))
        self._expected[worker] = now_s
        self._workers[token] = worker

    def join(self, role: Role, token: str, now_s: float) -> WorkerId:
        """Add a worker and return who it is; one from elsewhere that joins again is a new one in its slot.

        StaleAttemptError if this master has replaced it, or takes only its own processes.
        """
        worker = self._workers.get(token)
        own = worker is not None and slot_of(worker) in self._own_slots
        if (worker is None and not self._takes_strangers) or (own and worker not in self._expected):
            raise StaleAttemptError("this master did not start that worker, or has replaced it")
        if worker is None or not own:
            before = worker or self._free_slot(role)
            worker = WorkerId(before.role, before.index, before.incarnation + 1)
        if worker.role is not role:
            raise StaleAttemptError("that worker has another role")
        self._workers[token] = worker
        self._joined[worker] = Registered(worker, Heartbeats(now_s), own)
        return worker

    def holder(self, token: str) -> WorkerId:
        """Return who has, or had, a token; StaleAttemptError if nobody."""
        if token not in self._workers:
            raise StaleAttemptError("that worker is not one of this run")
        return self._workers[token]

    def joined_with(self, token: str) -> Registered:
        """Return who has joined with a token; StaleAttemptError if nobody, or it is no longer in this run."""
        return self.get(self.holder(token))

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
        taken = {slot_of(worker) for worker in self._workers.values()} | self._own_slots
        nobody = (WorkerId(role, index, incarnation=0) for index in count(1))
        return next(worker for worker in nobody if slot_of(worker) not in taken)
