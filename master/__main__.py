"""Start the command line: `python -m master`. Signals are answered from the first moment on."""

import sys

if __name__ == "__main__" and not sys.flags.safe_path:
    # Python searches the working directory first, whatever lies there: search the program's own folder.
    _root = __file__.rsplit("/", 2)[0]
    sys.path[:1] = [] if _root in sys.path[1:] else [_root]

import os
import signal
from types import FrameType

from common.errors import InterruptedRunError


def _interrupt(number: int, _frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_DFL)  # a second signal ends the process at once
    raise InterruptedRunError(number)


def start() -> None:
    """Run the command line, and end the process with its exit code."""
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, _interrupt)
        os.environ["PYTHONSAFEPATH"] = "1"  # for the processes of Spark and Dask: as above
        # Threads of our own share the work, each with a library that has one.
        os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # its own lines are not for people
        from master.cli.commands import main  # takes a while

        main()
    except InterruptedRunError as error:
        print(f"Error: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(error.exit_code)


if __name__ == "__main__":
    start()
