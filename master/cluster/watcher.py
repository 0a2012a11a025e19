"""The thread that looks at the workers' heartbeats."""

import threading
import time

from master.cluster.membership import Membership

LOOK_EVERY_S = 0.5


class Watcher:
    """Has a membership look at its workers twice a second, until it is stopped."""

    def __init__(self, membership: Membership) -> None:
        self._membership = membership
        self._stopped = threading.Event()

    def start(self) -> None:
        """Begin to watch."""
        threading.Thread(target=self._watch, name="watcher", daemon=True).start()

    def stop(self) -> None:
        """Declare nobody dead any more."""
        self._stopped.set()

    def _watch(self) -> None:
        looked_s = time.monotonic()
        while not self._stopped.wait(LOOK_EVERY_S):
            now_s = time.monotonic()
            self._membership.look(now_s, unheard_s(now_s - looked_s))
            looked_s = now_s


def unheard_s(since_last_look_s: float) -> float:
    """Return for how long this process itself was stopped, or had no time, since it looked last."""
    late_s = since_last_look_s - LOOK_EVERY_S
    return late_s if late_s > LOOK_EVERY_S else 0.0
