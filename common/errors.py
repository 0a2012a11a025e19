"""Every error this project raises, by who can correct it.

MapReduceError                exit code 1
├── UserError                 exit code 2: the user can correct the command or the input
│   ├── UsageError            an option's value is invalid
│   ├── InputError            the input file has invalid content
│   │   └── EmptyInputError   it has no row
│   └── DataDirInUseError     another run holds the data directory
├── RunFailedError            exit code 1: the cluster could not finish; the message says why
├── InterruptedRunError       exit code 128 and the signal's number: Ctrl-C, SIGTERM, SIGHUP or SIGQUIT
└── TaskError                 never reaches the user: the scheduler runs the task again
    ├── InjectedFailureError  --fail-rate asked for it
    ├── BadRequestError       a message is invalid or exceeds a limit
    ├── StaleAttemptError     a newer attempt or stage exists
    ├── SystemRefusalError    the system has no space, memory, threads or descriptors left
    ├── OutputLostError       a finished task's output is gone
    └── FetchFailedError      a reducer could not fetch a map task's output
"""

import errno
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches


class MapReduceError(Exception):
    """Base of all; its text is one line for a person."""

    exit_code = 1


_PRINTABLE_ASCII = bytes(range(0x20, 0x7F))


def is_printable(text: str) -> bool:
    """Return what `str.isprintable` does, in a third of the time for a long text."""
    return not text.encode().translate(None, _PRINTABLE_ASCII) if text.isascii() else text.isprintable()


def printable(text: str) -> str:
    """Escape what is not printable, line ends above all."""
    if is_printable(text):
        return text
    return "".join([c if c.isprintable() else c.encode("unicode_escape").decode() for c in text])


def shortened(text: str, length: int = 40) -> str:
    """Return the beginning of a text, as much as may stand in a line."""
    return text if len(text) <= length else text[: length - 1] + "…"


def did_you_mean(text: str, known: Iterable[str]) -> str:
    """Return a question that names what is most like a text, to put behind it; empty if nothing is."""
    lower = {each.lower(): each for each in known}
    found = get_close_matches(text.lower(), lower, n=1)
    return f" (did you mean {lower[found[0]]!r}?)" if found else ""


def counted(number: int, noun: str) -> str:
    """Say how many: "1 row", "3 rows"."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


class UserError(MapReduceError):
    """The user can correct it; whatever the text quotes, it stays one line."""

    exit_code = 2

    def __init__(self, text: str) -> None:
        super().__init__(printable(text))


class UsageError(UserError):
    """An option's value is invalid."""


class InputError(UserError):
    """The input has invalid content; the text names file, line and column where it can."""

    @classmethod
    def at(
        cls, path: str, what: str, *, line: int = 0, row: int = 0, column: int = 0, name: str = ""
    ) -> "InputError":
        """Name the place: a line of a text file or a row of a binary one, and the column; counted from 1."""
        numbers = {"line": line, "row": row, "column": column}
        place = [path, *(f"{unit} {number}" for unit, number in numbers.items() if number)]
        return cls(f"{', '.join(place)}{f' ({shortened(name)!r})' if name else ''}: {what}")


class EmptyInputError(InputError):
    """The input holds no row."""


class DataDirInUseError(UserError):
    """Another run holds the data directory."""


class RunFailedError(MapReduceError):
    """The cluster could not finish the run."""


class InterruptedRunError(MapReduceError):
    """The user stopped the run."""

    def __init__(self, signal_number: int) -> None:
        super().__init__("interrupted: the workers are stopped")
        self.exit_code = 128 + signal_number


class TaskError(MapReduceError):
    """One attempt of one task failed."""


class InjectedFailureError(TaskError):
    """`--fail-rate` asked for it."""


class BadRequestError(TaskError):
    """A message is invalid or exceeds a limit; the text quotes nothing but the message."""


class StaleAttemptError(TaskError):
    """A newer attempt or stage exists; nobody waits for this one."""


class SystemRefusalError(TaskError):
    """The operating system refused what a task needs: space, memory, threads, descriptors."""


class OutputLostError(TaskError):
    """The output of a finished task is gone."""


@dataclass(eq=False)
class FetchFailedError(TaskError):
    """A reducer could not fetch the output of a map task, from 0, that its attempt, from 1, has made."""

    task: int
    attempt: int
    unreachable: bool
    """The mapper did not answer at all, so it is presumably dead."""
    reason: str

    def __str__(self) -> str:
        return f"map task {self.task + 1}, attempt {self.attempt} could not be fetched: {self.reason}"


_FREE_SPACE = "free some space, or choose another folder"
_REMEDIES = {
    errno.ENOSPC: _FREE_SPACE,
    errno.EDQUOT: _FREE_SPACE,
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
    errno.EAGAIN: "raise the limit of processes (ulimit -u)",
    errno.ENOMEM: "use less memory, or raise the limit (ulimit -v)",
}


def refusal_of(error: BaseException) -> str:
    """Say in one line what the system refused, to what, and what to do; empty if it refused nothing."""
    if isinstance(error, MemoryError):
        return f"no memory is left; {_REMEDIES[errno.ENOMEM]}"
    if isinstance(error, RuntimeError) and "start new thread" in str(error):
        return "no more threads can be started; raise the limits (ulimit -u, -v)"
    if not isinstance(error, OSError):
        return ""
    if error.errno is None:  # NumPy says only how much it could not write
        return f"a file could not be written ({error}); {_FREE_SPACE}"
    where = "" if error.filename is None else f"{error.filename}: "
    remedy = f"; {_REMEDIES[error.errno]}" if error.errno in _REMEDIES else ""
    return f"{where}{error.strerror}{remedy}"


@contextmanager
def refusals_in_one_line() -> Iterator[None]:
    """Turn what the system refuses into a RunFailedError."""
    try:
        yield
    except Exception as error:
        if text := refusal_of(error):
            raise RunFailedError(printable(text)) from error
        raise
