"""The workers of a run: those that this master starts and restarts, and those that join from elsewhere."""

import threading
import time
from collections.abc import Callable, Sequence

from common.errors import refusal_of
from common.events.catalogue.workers import WorkerSaid, WorkerStarted
from common.events.log import RunLog
from common.rpc.credentials import Certificates
from common.rpc.server import Server
from master.cluster.membership import Membership
from master.cluster.processes import END_TIMEOUT_S, ProcessEnd, WorkerProcess
from master.cluster.registry import slot_of
from master.scheduling.messages import WorkerId, WorkerNotice
from protos.mapreduce_pb2_grpc import add_MasterServicer_to_server

_RESTART_WINDOW_S = 60.0
_RESTART_BACKOFF_S = (0.0, 0.5, 2.0)
"""Before each restart of a slot within the window; there is no further one."""
_LAST_ANSWERS_S = 1.0
"""For answers that are on their way as the master ends."""


class Cluster:
    """Mappers and reducers: processes of this machine, workers that join from elsewhere, or both.

    `processes` are started but do not know the master yet, which serves at `listen`. For the rest see
    `Server` and `Membership`.
    """

    def __init__(
        self,
        processes: Sequence[WorkerProcess],
        certificates: Certificates | None,
        listen: str,
        log: RunLog,
        notify: Callable[[WorkerNotice], None],
        *,
        takes_strangers: bool,
    ) -> None:
        self._log = log
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._server = Server(certificates, log.event, listen)
        self.address = self._server.address
        self._processes = {slot_of(process.worker): process for process in processes}
        self.membership = Membership(certificates, log, notify, self._kill, takes_strangers=takes_strangers)
        add_MasterServicer_to_server(self.membership, self._server.grpc)

    def start(self) -> None:
        """Let the workers join; each does when it is ready."""
        self._server.start()
        threading.Thread(target=self.membership.watch, args=(self._closing,), daemon=True).start()
        for process in self._processes.values():
            refusal = self._introduce(process)
            threading.Thread(target=self._supervise, args=(process, refusal), daemon=True).start()

    def close(self) -> None:
        """End every worker and stop listening."""
        self._closing.set()
        with self._lock:
            processes = list(self._processes.values())
        for process in processes:
            process.close_input()
        deadline_s = time.monotonic() + END_TIMEOUT_S
        for process in processes:
            process.end(max(0.0, deadline_s - time.monotonic()))
        self.membership.end()
        self._server.stop(_LAST_ANSWERS_S)
        self.membership.close()

    def _introduce(self, process: WorkerProcess) -> str:
        """Let a process join, and tell it where the master is; or return why it could not be started."""
        worker = process.worker
        try:
            pid = process.pid
        except OSError as error:
            process.close_input()
            return refusal_of(error)
        self._log.event(WorkerStarted(worker=slot_of(worker), pid=pid, incarnation=worker.incarnation))
        self.membership.expect(worker, process.token)
        process.introduce(self.address)
        return ""

    def _kill(self, worker: WorkerId) -> None:
        process = self._processes[slot_of(worker)]
        if process.worker == worker:
            process.kill()

    def _supervise(self, process: WorkerProcess, refusal: str) -> None:
        """Wait for a process's end, start the next one of its slot, and so on."""
        name, ends_s = slot_of(process.worker), list[float]()
        while True:
            end = process.wait()
            if self._closing.is_set():
                return
            now_s = time.monotonic()
            ends_s = [end_s for end_s in (*ends_s, now_s) if now_s - end_s <= _RESTART_WINDOW_S]
            returns = len(ends_s) <= len(_RESTART_BACKOFF_S)
            self._report(process, end, refusal, returns=returns)
            if not returns or self._closing.wait(_RESTART_BACKOFF_S[len(ends_s) - 1]):
                return
            try:
                with self._lock:
                    if self._closing.is_set():
                        return
                    process = self._processes[name] = process.successor()
            except (OSError, RuntimeError) as error:
                reason = f"{name} cannot be started again: {refusal_of(error)}"
                self.membership.lose(process.worker, reason, returns=False)
                return
            refusal = self._introduce(process)

    def _report(self, process: WorkerProcess, end: ProcessEnd, refusal: str, *, returns: bool) -> None:
        """Log what a process said, and that its worker is lost."""
        name = slot_of(process.worker)
        for line in end.errors:
            self._log.event(WorkerSaid(worker=name, text=line))
        if refusal:
            self.membership.lose(process.worker, f"{name} cannot be started: {refusal}", returns=returns)
            return
        last_words = f": {end.errors[-1]}" if end.errors else ""
        reason = f"{name} (process {process.pid}) {end.how}{last_words}"
        self.membership.lose(process.worker, reason, returns=returns, pid=process.pid)
