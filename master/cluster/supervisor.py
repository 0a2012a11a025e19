"""The workers of a run: those that this master starts, watches and starts again, and those that join."""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from common.events.event import RunLog
from common.rpc.channels import Server
from common.rpc.credentials import Credentials
from common.store.names import node_name
from master.cluster.membership import Membership, Place
from master.cluster.processes import WorkerProcess
from master.scheduling.messages import WorkerId, WorkerNotice

_RESTARTS = 3
_RESTART_WINDOW_S = 60.0
_RESTART_BACKOFF_S = (0.0, 0.5, 2.0)
_END_TIMEOUT_S = 2.0


@dataclass
class _Chair:
    """A place for processes of this machine, one after another."""

    process: WorkerProcess
    ends_s: deque[float] = field(default_factory=deque)

    @property
    def place(self) -> Place:
        return self.process.role, self.process.index

    @property
    def name(self) -> str:
        return node_name(*self.place)

    @property
    def worker(self) -> WorkerId:
        return WorkerId(*self.place, self.process.incarnation)

    def may_restart(self, now_s: float) -> bool:
        """Count an end; tell whether there were few of late."""
        self.ends_s.append(now_s)
        while now_s - self.ends_s[0] > _RESTART_WINDOW_S:
            self.ends_s.popleft()
        return len(self.ends_s) <= _RESTARTS


class Cluster:
    """M mappers and R reducers: processes of this machine, or such as join from elsewhere, or both.

    Parameters
    ----------
    processes
        Those of this machine, started but not introduced.
    server
        Where workers join.
    credentials
        What they prove themselves with.
    log
        Gets the workers' own lines, and the master's events about them.
    notify
        Told, from other threads, what happens to them.
    """

    def __init__(
        self,
        processes: Sequence[WorkerProcess],
        server: Server,
        credentials: Credentials,
        log: RunLog,
        notify: Callable[[WorkerNotice], None],
    ) -> None:
        self._secret = credentials.secret
        self._log = log
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._address = server.address
        self._chairs = {(process.role, process.index): _Chair(process) for process in processes}
        epoch = time.time_ns()
        self.members = Membership(server, credentials, epoch, log, notify, self._kill)
        self.epoch = epoch

    def start(self) -> None:
        """Let the workers join; each does when it is ready."""
        self.members.open()
        for chair in self._chairs.values():
            self._introduce(chair)

    def close(self) -> None:
        """End every worker and stop listening."""
        self._closing.set()
        with self._lock:
            processes = [chair.process for chair in self._chairs.values()]
        for process in processes:
            process.let_go()
        deadline_s = time.monotonic() + _END_TIMEOUT_S
        for process in processes:
            process.end(max(0.0, deadline_s - time.monotonic()))
        self.members.close()

    def _introduce(self, chair: _Chair) -> None:
        process = chair.process
        self._log.event("worker_started", worker=chair.name, pid=process.pid, incarnation=process.incarnation)
        self.members.expect(chair.place, process.incarnation)
        threading.Thread(target=self._attend, args=(chair, process), daemon=True).start()
        process.introduce(self._address, self._secret)

    def _kill(self, place: Place, incarnation: int) -> None:
        process = self._chairs[place].process
        if process.incarnation == incarnation:
            process.kill()

    def _attend(self, chair: _Chair, process: WorkerProcess) -> None:
        """Wait for a process's end, and start another in its place."""
        worker = chair.worker
        said, ending = process.watch()
        if self._closing.is_set():
            return
        for line in said:
            self._log.event("worker_said", worker=chair.name, text=line)
        returns = chair.may_restart(time.monotonic())
        last_words = f": {said[-1]}" if said else ""
        reason = f"{chair.name} (process {process.pid}) {ending}{last_words}"
        self.members.lose(worker, reason, returns=returns, pid=process.pid)
        if not returns or self._closing.wait(_RESTART_BACKOFF_S[len(chair.ends_s) - 1]):
            return
        try:
            with self._lock:
                if self._closing.is_set():
                    return
                chair.process = process.successor()
        except OSError as error:
            reason = f"{chair.name} cannot be started again: {error.strerror}"
            self.members.lose(worker, reason, returns=False)
            return
        self._introduce(chair)
