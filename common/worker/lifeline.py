"""What ties a worker to its master: its standard input, which the master holds open.

Imports nothing that takes time, so that a worker watches from its first moment on.
"""

import os
import queue
import sys
import threading
from collections.abc import Callable


class Lifeline:
    """Watches standard input in a thread, and ends this process when it closes.

    The operating system closes it when the master ends, however it ends. `at_end` is called just
    before, and must take less than a second.
    """

    def __init__(self) -> None:
        self._first_line: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self.at_end: Callable[[], None] = lambda: None
        threading.Thread(target=self._watch, name="lifeline", daemon=True).start()

    def introduction(self) -> tuple[str, str]:
        """Wait for the first line: the master's address and the run's secret."""
        address, secret = self._first_line.get().decode().split()
        return address, secret

    def _watch(self) -> None:
        line = sys.stdin.buffer.readline()
        if line:
            self._first_line.put(line)
            sys.stdin.buffer.read()
            self.at_end()
        os._exit(0)  # at once: threads may be in the middle of work that nobody waits for
