"""Make something happen at an exact moment of a run, however fast or slow the machine is.

A moment is a condition on one of Python's audit events in one of the run's processes, for `at_first` or a
`Gate`; these give hooks for `environment_with_hook`. A file that a worker writes has a point before its name
until it is whole.
"""

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

from tests.programs import environment_with_hook, wait_until

KILL = "os.kill(os.getpid(), 9)"
STOP = "os.kill(os.getpid(), 19); time.sleep(3600)"
"""The system may take a moment until all threads stand still; this one waits for it."""

NO_STRAGGLERS = """
if event == 'import' and arguments[0] == 'master.cluster.dispatcher':
    import master.scheduling.scheduler
    master.scheduling.scheduler.STRAGGLES_AFTER_S = 3600.0
"""
"""For tests of who does what: on a slow machine, a worker may be held up long enough to get a backup."""


def opens(part: str, job: str = "") -> str:
    """When a file is opened whose path has this part, and that of one of the jobs outside the iterations."""
    folder = f"/job_{job}/" if job else "/job_"
    of_job = f"{folder!r} in str(arguments[0])"
    return f"event == 'open' and {part!r} in str(arguments[0]) and {of_job if job else f'not {of_job}'}"


def imports(module: str) -> str:
    """When a module is imported for the first time."""
    return f"event == 'import' and arguments[0] == {module!r}"


@cache
def calm_environment() -> dict[str, str]:
    """Return an environment with NO_STRAGGLERS, in a folder that goes when the tests end."""
    folder = tempfile.mkdtemp(prefix="calm-")
    atexit.register(shutil.rmtree, folder)
    return environment_with_hook(Path(folder), NO_STRAGGLERS)


def at_first(moment: str, action: str, mark: Path, nth: int = 1) -> str:
    """Do something when the moment comes for the first (nth) time in a process; a file marks that it came."""
    return f"""
if {moment}:
    counts[{mark.name!r}] = counts.get({mark.name!r}, 0) + 1
    if counts[{mark.name!r}] >= {nth} and not os.path.exists({str(mark)!r}):
        os.close(os.open({str(mark)!r}, os.O_CREAT))
        {action}
"""


class Gate:
    """Holds a process's thread at a moment, the first (nth) time that it comes; its heart goes on beating.

    Parameters
    ----------
    folder
        For the marks.
    moment
        When.
    nth
        For which time.
    """

    def __init__(self, folder: Path, moment: str, nth: int = 1, name: str = "gate") -> None:
        self.reached = folder / f"{name}_reached"
        self._opened = folder / f"{name}_opened"
        wait = f"while not os.path.exists({str(self._opened)!r}): time.sleep(0.01)"
        self.hook = at_first(moment, wait, self.reached, nth)

    def wait(self) -> None:
        """Wait until somebody stands there."""
        wait_until(self.reached.exists, f"{self.reached}")

    def open(self) -> None:
        """Let it go on."""
        self._opened.touch()
