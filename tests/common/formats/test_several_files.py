"""Several files, by a folder or a pattern, are read as one."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from common.errors import InputError
from common.formats.dataset import open_input, plan_splits, read_all, read_blocks
from common.formats.layout import TextOptions
from common.model import FloatArray
from tests.common.formats.samples import save_table

ROWS = np.arange(1.0, 21.0).reshape(10, 2)
SIZES = [4, 1, 5]


def save_text(path: Path, rows: FloatArray) -> None:
    path.write_text("x,y\n" + "".join(f"{x},{y}\n" for x, y in rows.tolist()))


def save_plain(path: Path, rows: FloatArray) -> None:
    np.savetxt(path, rows, delimiter="\t")


def save_parquet(path: Path, rows: FloatArray) -> None:
    save_table(path, {"x": rows[:, 0].tolist(), "y": rows[:, 1].tolist()})


SAVE: dict[str, Callable[[Path, FloatArray], object]] = {
    "with a header each": save_text,
    "without": save_plain,
    "npy": lambda path, rows: np.save(path.with_suffix(".npy"), rows),
    "parquet": save_parquet,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder as Spark leaves it."""
    folder = tmp_path / "table"
    folder.mkdir()
    (folder / "_SUCCESS").touch()
    (folder / ".part-0.crc").write_bytes(b"crc\0")
    return folder


def save(folder: Path, kind: str) -> None:
    start = 0
    for number, size in enumerate(SIZES):
        SAVE[kind](folder / f"part-{number}", ROWS[start : start + size])
        start += size


@pytest.mark.parametrize("kind", SAVE)
@pytest.mark.parametrize("n", [1, 2, 3, 4, 12])
def test_reads_a_folder(folder: Path, kind: str, n: int) -> None:
    save(folder, kind)
    file = open_input(folder)
    assert (file.input.rows, file.input.path) == (10, str(folder))
    splits = plan_splits(file, n)
    assert [split.index for split in splits] == list(range(len(splits)))
    assert len(splits) <= n + len(SIZES) - 1
    where = [row for split in splits for row in range(split.row_start, split.row_stop)]
    assert where == list(range(10))
    for split in splits:
        rows = np.concatenate(list(read_blocks(file.source_of(split), split)))
        assert rows.tolist() == ROWS[split.row_start : split.row_stop].tolist()


def test_a_pattern_and_the_order_of_names(tmp_path: Path) -> None:
    for number in (10, 9, 2):
        save_plain(tmp_path / f"f{number}.txt", ROWS[number - 1 : number] if number < 10 else ROWS[9:])
    save_plain(tmp_path / "other.txt", ROWS)
    assert read_all(tmp_path / "f*.txt").tolist() == ROWS[[9, 1, 8]].tolist()
    assert read_all(tmp_path / "f[29].txt").tolist() == ROWS[[1, 8]].tolist()


def test_a_header_may_stand_in_the_first_file_alone(folder: Path) -> None:
    """As `split` leaves a file."""
    (folder / "a").write_text("x y\n1 2\n")
    (folder / "b").write_text("3 4\n")
    assert read_all(folder).tolist() == [[1.0, 2.0], [3.0, 4.0]]


def test_files_without_rows_are_passed_over(folder: Path) -> None:
    (folder / "a").touch()
    (folder / "b").write_text("x,y\n")
    (folder / "c").write_text("x,y\n1,2\n")
    (folder / "d").write_text("x,y\n")
    assert read_all(folder).tolist() == [[1.0, 2.0]]


def test_a_row_that_looks_like_a_header_in_a_later_file(folder: Path) -> None:
    """The first file has told that there is none."""
    (folder / "a").write_text("5,6\n")
    (folder / "b").write_text("0,1\n")
    assert read_all(folder).tolist() == [[5.0, 6.0], [0.0, 1.0]]


def test_a_place_is_named_in_its_file(folder: Path) -> None:
    save(folder, "with a header each")
    with (folder / "part-2").open("a") as file:
        file.write("1,z\n")
    found = open_input(folder)
    last = plan_splits(found, 1)[-1]
    with pytest.raises(InputError) as refused:
        list(read_blocks(found.source_of(last), last))
    place = f"{folder / 'part-2'}, line 7, column 2 ('y')"
    assert str(refused.value) == f"{place}: 'z' is not a number (to leave the column out: --columns 1)"


@pytest.mark.parametrize("other", ["1,2,3\n", "1;2\n", "y,x\n1,2\n", "x,y,z\n1,2,3\n"])
def test_files_must_be_alike(folder: Path, other: str) -> None:
    (folder / "a").write_text("x,y\n1,2\n")
    (folder / "b").write_text(other)
    with pytest.raises(InputError, match=rf"^{folder / 'b'}"):
        read_all(folder)


@pytest.mark.parametrize("suffix", ["parquet", "arrow"])
def test_tables_must_have_the_same_names(folder: Path, suffix: str) -> None:
    """Else a column would be taken for another one."""
    save_table(folder / f"a.{suffix}", {"x": [1.0], "y": [2.0]})
    save_table(folder / f"b.{suffix}", {"y": [3.0], "x": [4.0]})
    with pytest.raises(InputError, match=r"b\.\w+: its format or its columns are not those of"):
        open_input(folder)
    save_table(folder / f"b.{suffix}", {"x": [3.0], "y": [4.0]})
    assert read_all(folder).tolist() == [[1.0, 2.0], [3.0, 4.0]]


def test_what_is_no_file(folder: Path) -> None:
    with pytest.raises(InputError, match=rf"^{folder}: there is no file$"):
        open_input(folder)
    with pytest.raises(InputError, match=r"/\*\.csv: there is no file$"):
        open_input(folder / "*.csv")
    (folder / "a").write_text("x,y\n")
    with pytest.raises(InputError, match=rf"^{folder}: none of its files has a row$"):
        open_input(folder)
    (folder / "year=2020").mkdir()
    with pytest.raises(InputError, match=rf"^{folder / 'year=2020'}: a folder; give the files themselves"):
        open_input(folder)


def test_options_are_for_each_file(folder: Path) -> None:
    (folder / "a").write_text("made in 2020\nx|y\n1|NA\n2|3\n")
    (folder / "b").write_text("made in 2021\nx|y\n4|5\n")
    options = TextOptions(delimiter="|", skip_rows=1, missing="drop")
    file = open_input(folder, options=options)
    rows = [list(read_blocks(file.source_of(split), split)) for split in plan_splits(file, 1)]
    assert np.concatenate([block for part in rows for block in part]).tolist() == [[2.0, 3.0], [4.0, 5.0]]
