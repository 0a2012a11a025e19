"""The thread that looks at the workers' heartbeats."""

import threading
import time

from master.cluster.membership import Membership

LOOK_EVERY_S = 0.5


def watch(membership: Membership, stop: threading.Event) -> None:
    """Have a membership look at its workers twice a second, until it is to stop."""
    looked_s = time.monotonic()
    while not stop.wait(LOOK_EVERY_S):
        now_s = time.monotonic()
        membership.look(now_s, unheard_s(now_s - looked_s))
        looked_s = now_s


def unheard_s(since_last_look_s: float) -> float:
    """Return for how long this process itself was stopped, or had no time, since it looked last."""
    late_s = since_last_look_s - LOOK_EVERY_S
    return late_s if late_s > LOOK_EVERY_S else 0.0
