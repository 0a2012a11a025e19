"""Start the command line: `python -m master`. Signals are answered from the first moment on."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(__file__)))  # our `common`, of all
from common.launch import keep_to_our_own

keep_to_our_own()

import atexit
import signal
from contextlib import suppress
from types import FrameType

from common.errors import InterruptedRunError

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


def _interrupt(number: int, _frame: FrameType | None) -> None:
    # A second signal ends the process at once; but a terminal that is closed may send two.
    signal.signal(number, signal.SIG_IGN if number == signal.SIGHUP else signal.SIG_DFL)
    raise InterruptedRunError(number)


def start() -> None:
    """Run the command line, and end the process with its exit code."""
    codes: list[int] = []
    atexit.register(_end_at_once, codes)  # the first of all that a run registers: Python calls it last
    codes.append(_exit_code())
    sys.exit(codes[0])


def _end_at_once(codes: list[int]) -> None:
    """Leave the memory to the system.

    Python would free one object after the other, which takes a tenth of the time of a small run.
    """
    if not codes:
        return
    try:
        for stream in filter(None, (sys.stdout, sys.stderr)):
            stream.flush()
    except (OSError, ValueError):
        if not codes[0]:  # nothing was said of it: Python says it, and has an exit code for that
            return
    os._exit(codes[0])


def _exit_code() -> int:
    """Run the command line; return the exit code."""
    try:
        for number in _SIGNALS:
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # as nohup wants it
                signal.signal(number, _interrupt)
        os.environ["PYTHONSAFEPATH"] = "1"  # for the processes of Spark and Dask: as above
        # Threads of our own share the work, each with a library that has one.
        os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # its own lines are not for people
        os.environ.pop("GRPC_POLL_STRATEGY", None)  # gRPC aborts if it does not know the value
        from master.cli.commands import main  # takes a while

        main()
    except SystemExit as end:
        if not isinstance(end.code, int):  # from a package of other people: Python knows what it means
            raise
        return end.code
    except InterruptedRunError as error:
        with suppress(OSError):  # the terminal is closed
            print(f"Error: {error}", file=sys.stderr)  # noqa: T201
        return error.exit_code
    return 0


if __name__ == "__main__":
    start()
