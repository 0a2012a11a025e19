"""Imported by Python itself where this folder is on the path: nobody is taken for a straggler.

For tests of who does what: on a slow machine, a worker may be held up long enough to get a backup.
"""

import sys


def _patience(event: str, arguments: tuple[object, ...]) -> None:
    if event == "import" and arguments[0] == "master.dispatcher":
        import master.scheduler

        master.scheduler.STRAGGLES_AFTER_S = 3600.0


sys.addaudithook(_patience)
