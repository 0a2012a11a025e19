"""What ties a worker to its master: its standard input, which the master holds open.

Imports little, so that a worker watches from its first moment on, and nothing later: the other thread may be
importing then, and two threads that do so may stand in each other's way.
"""

import os
import queue
import secrets
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from common.rpc.address import remove_socket_folder


def new_token() -> str:
    """Make what nobody can guess: 256 bits in 64 hexadecimal digits."""
    return secrets.token_hex(32)


class Lifeline:
    """Watches standard input in a thread, and ends this process when it closes.

    The operating system closes it when the master ends, however it ends. `at_end` is closed just
    before, and must take less than a second.
    """

    def __init__(self) -> None:
        self._first_line: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self.at_end = ExitStack()
        if "--sockets" in sys.argv:  # for a master that was killed, so that it could not do it itself
            self.at_end.callback(remove_socket_folder, sys.argv[sys.argv.index("--sockets") + 1])
        threading.Thread(target=self._watch, name="lifeline", daemon=True).start()

    def introduction(self) -> tuple[str, str]:
        """Wait for the first line: the master's address, and the token by which it knows this worker."""
        address, token = self._first_line.get().decode().split()
        return address, token

    def _watch(self) -> None:
        received = b""
        while data := os.read(0, 1 << 12):  # unlike sys.stdin it holds no lock, which would abort another end
            received += data
            if received.endswith(b"\n"):
                self._first_line.put(received)
        try:
            self.at_end.close()
        finally:
            os._exit(0)  # at once: threads may be in the middle of work that nobody waits for


@contextmanager
def watching_the_master() -> Iterator[Lifeline | None]:
    """Watch the master, if it started us, from the first moment on; the block imports what takes a while."""
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # its own lines are not for people
    os.environ.pop("GRPC_POLL_STRATEGY", None)  # gRPC aborts if it does not know the value
    lifeline = Lifeline() if "--from-master" in sys.argv else None
    on_ctrl_c = signal.signal(signal.SIGINT, signal.SIG_DFL)  # nothing to tidy yet, and no traceback
    yield lifeline
    signal.signal(signal.SIGINT, on_ctrl_c)
