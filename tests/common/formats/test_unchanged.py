"""Which file is taken for the one that the master saw."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from common.errors import InputError
from common.formats.dataset import open_input
from common.formats.unchanged import check_unchanged, content_digest, refusing_changes


def test_a_copy_of_the_input_will_do_and_nothing_else(tmp_path: Path) -> None:
    masters, copy = tmp_path / "masters.csv", tmp_path / "copy.csv"
    masters.write_text("1,2\n3,4\n")
    source = replace(open_input(masters).input, path=str(copy), digest=content_digest(masters))
    copy.write_text("1,2\n3,4\n")
    os.utime(copy, (1, 1))
    check_unchanged(source)
    for other in ("1,2\n3,5\n", "1,2\n"):
        copy.write_text(other)
        os.utime(copy, (2, len(other)))
        with pytest.raises(InputError, match="differs from the master's; copy the same file"):
            check_unchanged(source)


def test_the_digest_of_large_files_can_be_stopped(tmp_path: Path) -> None:
    path = tmp_path / "large"
    path.write_bytes(bytes(3 << 20))
    assert content_digest(path, lambda: True) == ""
    assert len(content_digest(path)) == 64
    whole = content_digest(path)
    path.write_bytes(bytes((3 << 20) - 1) + b"x")
    assert content_digest(path) != whole


def test_a_file_that_changes_while_it_is_read_is_refused_whatever_else_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "points.csv"
    path.write_text("1\n")
    source = open_input(path).input
    with pytest.raises(ValueError, match=r"^other$"), refusing_changes(source):
        raise ValueError("other")
    with pytest.raises(InputError, match="changed while the run was using it"), refusing_changes(source):
        path.write_text("1\n2\n")
    source = open_input(path).input

    def change_and_fail() -> None:
        with refusing_changes(source):
            path.write_text("1\n")
            raise ValueError("other")

    with pytest.raises(InputError, match="changed while the run was using it"):
        change_and_fail()
    path.unlink()
    with pytest.raises(InputError, match="cannot be read: No such file"):
        check_unchanged(source)
