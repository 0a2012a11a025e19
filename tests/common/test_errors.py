"""What the system refuses becomes one line that says what to do."""

import errno
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import InputError, RunFailedError, is_printable, refusal_of, refusals_in_one_line

SPACE = "; free some space, or choose another folder"


@given(st.text() | st.text(st.characters(codec="ascii")))
def test_printable_is_what_python_says(text: str) -> None:
    assert is_printable(text) == text.isprintable()


def refused(number: int, name: str | None = None) -> OSError:
    return OSError(number, os.strerror(number), name)


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (refused(errno.ENOSPC, "a/b"), f"a/b: No space left on device{SPACE}"),
        (refused(errno.EDQUOT), f"Disk quota exceeded{SPACE}"),
        (refused(errno.EMFILE), "Too many open files; raise the limit of open files (ulimit -n)"),
        (refused(errno.EAGAIN), "Resource temporarily unavailable; raise the limit of processes (ulimit -u)"),
        (refused(errno.EIO, "a"), "a: Input/output error"),
        (
            OSError("9 requested and 3 written"),
            f"a file could not be written (9 requested and 3 written){SPACE}",
        ),
        (MemoryError(), "no memory is left; use less memory, or raise the limit (ulimit -v)"),
        (
            RuntimeError("can't start new thread"),
            "no more threads can be started; raise the limits (ulimit -u, -v)",
        ),
    ],
)
def test_what_the_system_refuses(error: Exception, line: str) -> None:
    assert refusal_of(error) == line
    with pytest.raises(RunFailedError) as caught, refusals_in_one_line():
        raise error
    assert str(caught.value) == line


@pytest.mark.parametrize("error", [RuntimeError("x"), ValueError("x"), InputError("x")])
def test_other_errors_stay_what_they_are(error: Exception) -> None:
    assert refusal_of(error) == ""
    with pytest.raises(type(error)) as caught, refusals_in_one_line():
        raise error
    assert caught.value is error


def test_a_hostile_name_stays_one_line() -> None:
    with pytest.raises(RunFailedError, match=r"^a\\nb\\x1b: No space"), refusals_in_one_line():
        raise refused(errno.ENOSPC, "a\nb\x1b")
