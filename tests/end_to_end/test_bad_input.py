"""What the user can mend is one line and exit code 2, and leaves nothing behind."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.programs import SAMPLE, options, run_here

BLOBS = SAMPLE.with_name("blobs.csv")
GOOD = ["--mappers", 2, "--reducers", 2, "--k", 2, "--iters", 5, "--input", SAMPLE]


def times_in(folder: Path) -> dict[Path, int]:
    return {path: path.lstat().st_mtime_ns for path in folder.rglob("*")}


def contents_of(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished")
    assert run_here(folder, *GOOD).returncode == 0
    return folder


@pytest.fixture
def earlier(tmp_path: Path, finished: Path) -> Path:
    """Return a folder with the results of an earlier run."""
    return shutil.copytree(finished, tmp_path, dirs_exist_ok=True)


def refuse(folder: Path, *arguments: object) -> str:
    """Run; check the form of the refusal and that the folder is as before; return the line."""
    before = times_in(folder)
    result = run_here(folder, *arguments, "--quiet")
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert result.returncode == 2
    assert times_in(folder) == before
    return result.stderr.removeprefix("Error: ").rstrip("\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--mappers", 0], "--mappers is 0, but must be 1 or more"),
        (["--reducers", 0], "--reducers is 0, but must be 1 or more"),
        (["--k", 0], "--k is 0, but must be 1 or more"),
        (["--iters", 0], "--iters is 0, but must be 1 or more"),
        (["--k", -3], "--k is -3, but must be 1 or more"),
        (["--tol", "nan"], "--tol is nan, but must be 0 or more"),
        (["--n-init", 0], "--n-init is 0, but must be 1 or more"),
        (["--seed", -1], "--seed is -1, but must be 0 or more"),
        (["--fail-rate", 1], "--fail-rate is 1, but must be from 0 to below 1"),
        (["--task-delay", -1], "--task-delay is -1.0, but must be 0 or more"),
        (["--k", 32], "--k 32 is more than the input's 31 rows"),
        (["--columns", "3"], f"--columns 3: {SAMPLE} has only columns 1 to 2"),
        (["--columns", "x"], f"--columns: {SAMPLE} has no column 'x'; it has no header line"),
        (
            ["--input", BLOBS, "--columns", "X1"],
            f"--columns: {BLOBS} has no column 'X1'; its columns are x1, x2 (did you mean 'x1'?)",
        ),
        (["--input", "nowhere.txt"], "nowhere.txt: cannot be read: No such file or directory"),
        (["--input", "."], ".: there is no file"),
        (["--dtype", "float16"], None),
        (["--labels", "no/folder.txt"], "--labels no/folder.txt: there is no folder no"),
        (["--labels", SAMPLE], f"--labels {SAMPLE} would overwrite the input"),
        (["--dump", SAMPLE], f"--dump {SAMPLE} would overwrite the input"),
        (["--labels", "dump.txt"], "--labels dump.txt would overwrite what --dump writes"),
        (["--labels", "data/../data/centroids.txt", "--data-dir", "."], None),
        (
            ["--labels", "centroids.txt", "--data-dir", "."],
            "--labels centroids.txt would overwrite the result",
        ),
        (["--labels", "/"], "--labels /: a folder, not a file"),
        (["--seed", 10**20], "--seed is 100000000000000000000, but must be 9223372036854775807 or less"),
        (["--task-delay", "inf"], "--task-delay is inf, but must be 600 or less"),
        (
            ["--init-centroids", SAMPLE],
            "--init-centroids holds 31 centroids, but --k is 2",
        ),
        (
            ["--k", "two"],
            "--k is two, but must be a number, a range such as 2..10, or a list such as 2,4,8",
        ),
        (["--init", "best"], None),
        (["--no-such-option"], None),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, list) else "",
)
def test_options(tmp_path: Path, arguments: list[object], message: str | None) -> None:
    line = refuse(tmp_path, *GOOD, *arguments)
    assert message is None or line == message


DROP = " (to leave such rows out: --missing drop)"
LEAVE_OUT = " (to leave the column out: --columns"


def test_a_missing_option_is_named(tmp_path: Path) -> None:
    assert "'--k'" in refuse(tmp_path, "--mappers", 1, "--reducers", 1, "--iters", 1)


BAD = [
    ("", "the file is empty; expected one row of numbers on each line"),
    ("x,y\n", "line 1: the file has a header but no row of numbers"),
    ("1,2\n3,nan\n", f"line 2, column 2: 'nan' is not a number{DROP}"),
    ("1,2\n3,4\ninf,6\n", f"line 3, column 1: 'inf' is not a number{LEAVE_OUT} 2)"),
    ("1,2\n\n1_000,4\n", "line 3, column 1: '1_000' is not a number"),
    ("1,2\n\uff11,4\n", f"line 2, column 1: '\uff11' is not a number{LEAVE_OUT} 2)"),
    ("1,2\n3\n", "line 2, column 2: 1 column where 2 are expected"),
    ("1,2\n3,4,5\n", "line 2, column 3: 3 columns where 2 are expected"),
    ("x,y\n1,2\n3,many\n", f"line 3, column 2 ('y'): 'many' is not a number{LEAVE_OUT} 1)"),
    ("1,2\n3,1e999\n", "line 2, column 2: 1e999 does not fit a float64"),
]


@pytest.mark.parametrize(
    ("engine", "content", "message"),
    [*(("inline", *bad) for bad in BAD), *(("grpc", *bad) for bad in BAD[2::2])],
    ids=lambda value: repr(value)[:30] if "\n" in value or not value else "",
)
def test_input(tmp_path: Path, engine: str, content: str, message: str) -> None:
    path = tmp_path / "bad.txt"
    path.write_text(content)
    arguments = ["--mappers", 2, "--reducers", 1, "--k", 1, "--iters", 5, "--input", path]
    line = refuse(tmp_path, *arguments, "--engine", engine)
    assert line in (f"{path}, {message}", f"{path}: {message}")


def test_fewer_distinct_rows_than_clusters(tmp_path: Path) -> None:
    path = tmp_path / "copies.txt"
    path.write_text("1,1\n" * 20 + "2,2\n" * 20)
    for init in ("random", "k-means++"):
        line = refuse(tmp_path, *GOOD, "--input", path, "--k", 3, "--init", init)
        assert line == "--k 3 is more than the input's 2 distinct rows"


def test_options_of_text_for_another_format(tmp_path: Path) -> None:
    path = tmp_path / "points.npy"
    np.save(path, np.eye(3))
    arguments = [*GOOD[:-2], "--input", path]
    assert refuse(tmp_path, *arguments, "--header", "yes") == f"--header yes: {path} is NumPy, not text"


def test_an_unreadable_file(tmp_path: Path) -> None:
    (tmp_path / "loop.txt").symlink_to("loop.txt")
    line = refuse(tmp_path, *GOOD, "--input", "loop.txt")
    assert line == "loop.txt: cannot be read: Too many levels of symbolic links"


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    line = refuse(tmp_path, *GOOD, "--input", "pipe")
    assert line == "pipe: a pipe or a device; the input must be a regular file"


def test_earlier_results_survive_a_refused_run(earlier: Path) -> None:
    refuse(earlier, *GOOD, "--k", 0)
    refuse(earlier, *GOOD, "--input", "nowhere.txt")


@pytest.mark.parametrize("engine", ["grpc", "inline"])
def test_earlier_results_survive_a_run_whose_input_its_mappers_refuse(earlier: Path, engine: str) -> None:
    (earlier / "bad.txt").write_text("1,2\n3,nan\n")
    predict = ["predict", "--centroids", "data/centroids.txt", "--labels", "labels.txt"]
    before = contents_of(earlier)
    for arguments in (GOOD, predict):
        result = run_here(earlier, *arguments, "--input", "bad.txt", "--engine", engine)
        assert (result.returncode, result.stderr) == (
            2,
            f"Error: {earlier}/bad.txt, line 2, column 2: 'nan' is not a number{DROP}\n",
        )
        assert contents_of(earlier) == before
    assert run_here(earlier, *GOOD, "--seed", 5).returncode == 0
    assert not list(earlier.rglob("*.earlier"))


@pytest.mark.parametrize(
    ("centroids", "message"),
    [
        ("1,2,3\n", "--centroids has 3 columns, but the input has 2"),
        ("1,x\n", "{path}, line 1, column 2: 'x' is not a number (to leave the column out: --columns 1)"),
        ("", "{path}: the file is empty; expected one row of numbers on each line"),
    ],
    ids=["columns", "text", "empty"],
)
def test_predict(tmp_path: Path, centroids: str, message: str) -> None:
    path = tmp_path / "centroids.txt"
    path.write_text(centroids)
    line = refuse(tmp_path, "predict", "--centroids", path, "--input", SAMPLE, "--labels", "labels.txt")
    assert line == message.format(path=path)


@pytest.mark.parametrize("option", ["--labels", "--dump"])
def test_predict_does_not_replace_the_centroids(earlier: Path, option: str) -> None:
    before = contents_of(earlier)
    predict = ["predict", "--centroids", "data/centroids.txt", "--input", SAMPLE, "--labels", "labels.txt"]
    line = refuse(earlier, *predict, option, "data/centroids.txt")
    assert line == f"{option} data/centroids.txt would overwrite the result"
    assert contents_of(earlier) == before


def test_input_in_a_workers_folder(earlier: Path) -> None:
    path = "data/mappers/M1/map_output.txt"
    line = refuse(earlier, *GOOD, "--input", path)
    assert (
        line
        == f"--input {path} is in a worker's folder, which the run deletes; copy it to another place first"
    )


def test_folders_that_are_not_the_runs_stay(earlier: Path) -> None:
    mine = [
        earlier / "data" / "mappers" / "precious" / "thesis.txt",
        earlier / "data" / "users" / "Mike" / "job_search" / "letter.txt",
    ]
    for path in mine:
        path.parent.mkdir(parents=True)
        path.write_text("mine")
    assert run_here(earlier, *GOOD).returncode == 0
    assert [path.read_text() for path in mine] == ["mine", "mine"]


def test_nothing_in_a_file_or_option_reaches_the_terminal_raw(tmp_path: Path) -> None:
    """Column names, words and values may hold escape sequences; only dump.txt and the terminal show them."""
    name = "x\x1b[2J\x9b"
    (tmp_path / "a.csv").write_text(f"{name},y\n1,2\n3,4\n")
    (tmp_path / "b.csv").write_text(f"1,2\n{name},4\n")
    (tmp_path / "words.txt").write_text(f"{name} {name} y\n")
    runs = [
        run_here(tmp_path, *options(input_path=tmp_path / "a.csv"), "--engine", "inline"),
        run_here(tmp_path, *options(input_path=tmp_path / "b.csv"), "--engine", "inline"),
        run_here(tmp_path, *options(input_path=tmp_path / name), "--engine", "inline"),
        run_here(tmp_path, *options(), "--engine", name),
        run_here(tmp_path, *options(), "--intermediate", name),
        run_here(tmp_path, f"--{name}"),
        run_here(tmp_path, name),
        run_here(
            *(tmp_path, "wordcount", "--input", "words.txt", "--mappers", 1, "--reducers", 1),
            *("--engine", "inline"),
        ),
    ]
    assert [run.returncode for run in runs] == [0, 2, 2, 2, 2, 2, 2, 0]
    for run in runs:
        assert r"x\x1b[2J\x9b" in run.stdout + run.stderr
        assert (run.stdout + run.stderr).replace("\n", "").isprintable()


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    result = run_here(tmp_path, *GOOD, "--k", 0, "--debug")
    assert result.returncode == 2
    assert "Traceback" in result.stderr


def test_the_first_bad_row_is_named_whichever_mapper_answers_first(tmp_path: Path) -> None:
    rows = ["1,2"] * 60
    rows[5:] = ["1,x"] * 55  # in each of the splits
    (tmp_path / "points.csv").write_text("\n".join(rows) + "\n")
    asked = options(m=3, input_path=tmp_path / "points.csv")
    run = run_here(tmp_path, *asked, "--splits", "6", "--quiet")
    assert (run.returncode, run.stderr.count("\n")) == (2, 1)
    assert "points.csv, line 6, column 2: 'x' is not a number" in run.stderr
