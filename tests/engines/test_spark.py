"""On Spark, the same bytes: whatever R and combiner, in this process and on a cluster with a secret."""

import gc
import gzip
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import psutil
import pyarrow
import pyarrow.parquet
import pytest

from common.errors import UsageError, UserError
from common.events.catalogue.kmeans import IterationFinished
from common.events.catalogue.run import IterationStarted
from common.events.catalogue.tasks import FAILURE, StageStarted, TaskFinished
from common.events.catalogue.workers import Cluster
from common.events.log import Log
from common.formats.columns import ALL_COLUMNS, ColumnChoice
from common.formats.dataset import open_input, open_lines
from common.formats.layout import TextOptions
from common.model import FloatArray, FloatType, TaskOptions
from master.engines.inline import InlineEngine
from master.options.groups import InputOptions
from tests.engines.classified import PARTS, classified_by, expected_classification, open_jobs
from tests.engines.runs import (
    CASES,
    Expected,
    cluster,
    combined_result,
    expected_search,
    make_inputs,
    needs,
    needs_java,
    open_combined,
    open_weighted,
    result,
    searched,
    weighted_result,
)
from tests.engines.words import counted_by, write_words
from tests.programs import SAMPLE_CENTROIDS, BackgroundRun, centroids_of, options, run_master, wait_until
from tests.story import ListLog, containing

needs("pyspark")
needs_java()
pytestmark = pytest.mark.slow

from master.engines.spark.connect import connect, translated_errors  # noqa: E402
from master.engines.spark.engine import SparkEngine  # noqa: E402
from master.engines.spark.rows import SparkRows, UriFile, open_uri  # noqa: E402

CHOOSE = "; choose others with --columns"
NO_NPY = "Spark reads only text and Parquet by address; convert the npy file to Parquet"
NO_FILES = ": it writes no intermediate files"
PUT = "; put the secret into $SPARK_CONF_DIR/spark-defaults.conf"


@pytest.fixture(scope="module")
def context() -> Iterator[Any]:
    with connect("local[2]", {"spark.ui.enabled": "false"}) as context:
        yield context


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> Expected:
    return Expected(make_inputs(tmp_path_factory.mktemp("inputs")))


def engine(rows: SparkRows, r: int, combine: bool, log: Log) -> SparkEngine:
    return SparkEngine(rows, TaskOptions(combine=combine), r, log)


def open_address(context: Any, path: Path, columns: str | None = None, dtype: str = "float64") -> UriFile:
    return open_uri(
        context, InputOptions(f"file://{path}", columns, FloatType(dtype)), ColumnChoice(columns), 3
    )


@pytest.mark.parametrize(("name", "r", "combine"), CASES)
def test_same_bytes(context: Any, expected: Expected, name: str, r: int, combine: bool) -> None:
    log = ListLog()
    path = expected.inputs[name]
    with engine(SparkRows.of_file(context, open_input(path), 3), r, combine, log) as ours:
        assert result(ours, path, name) == expected(name)
    tasks = log.of(TaskFinished)
    assert {task.status for task in tasks} == {"SUCCESS"}
    assert all((task.cpu_ms or 0) > 0 and (task.peak_bytes or 0) > 1e6 for task in tasks)
    first = [task for task in tasks if task.iteration == 1]
    assert {task.task for task in first if task.method == "Map"} == {1, 2, 3}
    assert {task.task for task in first if task.method == "Reduce"} == set(range(1, r + 1))
    begun = {stage.stage for stage in log.of(StageStarted) if stage.iteration == 1}
    assert {(task.stage, task.job) for task in first} == {(stage, "lloyd") for stage in begun}


def test_collections_after_tasks_do_not_look_at_modules(context: Any, expected: Expected) -> None:
    """PySpark collects garbage after each task."""
    path = expected.inputs["iris"]
    with engine(SparkRows.of_file(context, open_input(path), 2), 2, True, ListLog()) as ours:
        assert result(ours, path, "iris") == expected("iris")
    both = context.parallelize(range(2), 2)
    for looked_at, left_out in both.map(lambda _: (len(gc.get_objects()), gc.get_freeze_count())).collect():
        assert looked_at < left_out / 4


def test_several_k_and_their_measures(context: Any, expected: Expected) -> None:
    path = expected.inputs["iris"]
    with engine(SparkRows.of_file(context, open_input(path), 3), 2, True, ListLog()) as ours:
        assert searched(ours, path) == expected_search(path)


def test_all_options_at_once(context: Any, tmp_path: Path) -> None:
    file = open_combined(tmp_path)
    with engine(SparkRows.of_file(context, file, 3), 2, True, ListLog()) as ours:
        assert combined_result(ours, file) == combined_result(InlineEngine(file, combine=True), file)


@pytest.mark.parametrize("combine", [True, False])
def test_weights(context: Any, tmp_path: Path, combine: bool) -> None:
    file = open_weighted(tmp_path)
    here = weighted_result(InlineEngine(file, combine=True))
    with engine(SparkRows.of_file(context, file, 3), 2, combine, ListLog()) as ours:
        assert weighted_result(ours) == here


@pytest.mark.parametrize(("suffix", "dtype"), [(".csv", FloatType.FLOAT64), (".parquet", FloatType.FLOAT32)])
def test_rows_that_spark_reads(
    context: Any, expected: Expected, tmp_path: Path, suffix: str, dtype: FloatType
) -> None:
    """By address, in several partitions; text with a byte order mark, a header and blank lines."""
    path = tmp_path / f"a file{suffix}"
    points = np.loadtxt(expected.inputs["iris"], delimiter=",")
    if suffix == ".parquet":
        table = pyarrow.table({f"x{i}": x for i, x in enumerate(points.T)})
        pyarrow.parquet.write_table(table, path, row_group_size=20)
    else:
        lines = expected.inputs["iris"].read_text().splitlines()
        text = "\ufeff\n\na,b,c,d\r\n" + "\r\n \n".join(lines)
        path.write_bytes(text.encode())
    file = open_address(context, path, dtype=dtype)
    assert (file.input.rows, len(file.input.columns)) == points.shape
    with engine(file.stored, 2, False, ListLog()) as ours:
        assert result(ours, expected.inputs["iris"], "iris") == expected("iris", dtype)


@pytest.mark.parametrize(("r", "combine"), [(2, True), (3, False)])
def test_words(context: Any, tmp_path: Path, r: int, combine: bool) -> None:
    path = tmp_path / "words"
    expected = write_words(path)
    with engine(SparkRows.of_file(context, open_lines(path), 3), r, combine, ListLog()) as ours:
        assert counted_by(ours) == expected


def test_classification_with_a_model_for_each_part(context: Any) -> None:
    rows = SparkRows.of_file(context, open_jobs(), PARTS)
    with engine(rows, 2, False, ListLog()) as ours:
        assert classified_by(ours) == expected_classification()


def test_lines_that_are_no_text_are_refused(context: Any, tmp_path: Path) -> None:
    path = tmp_path / "words"
    path.write_bytes(b"a b\n\nc \xff d\ne\n")
    with (
        engine(SparkRows.of_file(context, open_lines(path), 2), 2, True, ListLog()) as ours,
        pytest.raises(UserError, match="line 3: byte 0xff is not UTF-8"),
    ):
        counted_by(ours)


def test_rows_that_got_lost_are_read_again(context: Any, expected: Expected, tmp_path: Path) -> None:
    path = tmp_path / "iris.csv"
    path.write_bytes(expected.inputs["iris"].read_bytes())
    file = open_address(context, path)
    for part in file.stored.parts.collect():
        Path(part.path).unlink()
    with engine(file.stored, 2, True, ListLog()) as ours:
        assert result(ours, path, "iris") == expected("iris")


@pytest.mark.parametrize(
    ("name", "content", "columns", "message"),
    [
        (
            "a.csv",
            b"1,2\n" * 100 + b"3,x\n",
            None,
            "{}, line 101, column 2: 'x' is not a number (to leave the column out: --columns 1)",
        ),
        (
            "a.csv",
            b"1,2\n3,nan\n",
            None,
            "{}, line 2, column 2: 'nan' is not a number (to leave such rows out: --missing drop)",
        ),
        ("a.csv", b"x,y\n1,2\n", "z", "--columns: {} has no column 'z'; its columns are x, y"),
        ("a.csv", b"\n\n", None, "{}: the file is empty; expected one row of numbers on each line"),
        (
            "a.parquet",
            b"\x93NUMPY\x01\0",
            None,
            "{}: " + NO_NPY,
        ),
        ("a.csv", None, None, "{}: cannot be read: No such file"),
    ],
)
def test_what_spark_reads_is_refused_by_place(
    context: Any, tmp_path: Path, name: str, content: bytes | None, columns: str | None, message: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError) as refused:
        open_address(context, path, columns)
    assert str(refused.value) == message.format(f"file://{path}")


def test_parquet_at_an_address_may_lack_nothing(context: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"x": [1.0, None], "y": ["a", "b"]}), path)
    choice = ColumnChoice(takes_texts=True, target="y", keeps_missing=True)
    with pytest.raises(UsageError, match=r"a.parquet: --missing is for files and for text, not for Parquet"):
        open_uri(context, InputOptions(f"file://{path}", None), choice, 2)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"a": [1.0, None]}, "{}, row 2, column 1: the field is empty; every field needs a number"),
        ({"a": ["x", "y"]}, "{}, column 1: column 'a' holds string, not numbers" + CHOOSE),
        ({"a": [1.0, float("nan")]}, "{}, row 2, column 1: nan is not a number"),
    ],
)  # fmt: skip
def test_parquet_is_refused_by_place(
    context: Any, tmp_path: Path, columns: dict[str, list[object]], message: str
) -> None:
    path = tmp_path / "a.parquet"
    pyarrow.parquet.write_table(pyarrow.table(columns), path)
    with pytest.raises(UserError) as refused:
        open_address(context, path)
    assert str(refused.value) == message.format(f"file://{path}")


def test_the_index_of_pandas_is_left_out(context: Any, tmp_path: Path) -> None:
    """The first bytes tell that it is Parquet, and its metadata, which column is the index."""
    path = tmp_path / "a.csv"
    with path.open("wb") as file:
        frame = pandas.DataFrame(
            {"x": [1.5, 2.5, 3.5], "s": ["a", "b", "c"]}, pandas.Index([3, 1, 9], name="id")
        )
        frame.to_parquet(file)
    opened = open_address(context, path, "x")
    assert (opened.input.names, opened.input.fields, opened.input.rows) == (("x",), 3, 3)
    assert open_address(context, path, "3,1").input.names == ("id", "x")
    frame[["x"]].to_parquet(tmp_path / "b")
    assert open_address(context, tmp_path / "b").input.names == ("x",)


@pytest.mark.parametrize(
    ("kind", "dtype"), [("csv", "float64"), ("gz", "float64"), ("parquet", "float32"), ("plain", "float64")]
)
def test_a_folder_is_read_as_if_it_were_here(
    context: Any, expected: Expected, tmp_path: Path, kind: str, dtype: str
) -> None:
    """In the order of names, as Spark writes them, one without a row; the address may end in a slash."""
    folder = tmp_path / "a folder"
    folder.mkdir()
    (folder / "_SUCCESS").touch()
    (folder / ".part-0.crc").touch()
    points = np.loadtxt(expected.inputs["iris"], delimiter=",")
    for number, some in {3: points[100:], 2: points[4:100], 1: points[:4], 4: points[:0]}.items():
        write_part(folder / f"part-{number}", kind, some)
    here = open_input(folder, dtype=FloatType(dtype))
    file = open_uri(context, InputOptions(f"file://{folder}/", None, FloatType(dtype)), ALL_COLUMNS, 4)
    for name in ("rows", "columns", "names", "size_bytes", "format"):
        assert getattr(file.input, name) == getattr(here.input, name)
    unquoted = [replace(each.input.dialect, quote="") for each in (file, here)]  # here no quote was found
    assert unquoted[0] == unquoted[1]
    with engine(file.stored, 2, False, ListLog()) as ours:
        assert result(ours, expected.inputs["iris"], "iris") == expected("iris", FloatType(dtype))
        for part in file.stored.parts.collect():
            Path(part.path).unlink()
        assert result(ours, expected.inputs["iris"], "iris") == expected("iris", FloatType(dtype))


def write_part(path: Path, kind: str, points: FloatArray) -> None:
    if kind == "parquet":
        columns = {f"x{i}": x for i, x in enumerate(points.T)}
        pyarrow.parquet.write_table(pyarrow.table(columns), path, row_group_size=20)
        return
    lines = [",".join(map(repr, row)) for row in points.tolist()]
    text = "\n".join(["a,b,c,d"] * (kind == "csv") + lines).encode()
    path.write_bytes(gzip.compress(text) if kind == "gz" else text)
    if kind == "gz":
        path.rename(path.with_suffix(".gz"))


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"_SUCCESS": b""}, "{}: there is no file"),
        ({"a": b"x,y\n"}, "{}: none of its files has a row"),
        ({"year=2020/a": b"1,2\n"}, "{}/year=2020: a folder in a folder; --input takes one folder of files"),
        (
            {"a": b"x,y\n1,2\n", "b": b"y,x\n3,4\n"},
            "{}/b, line 1: its first row seems to be a header, but not that",
        ),
        ({"a": b"x,y\n1,2\n", "b": b"x,y\n3,4\n5,z\n"}, "{}/b, line 3, column 2 ('y'): 'z' is not a number"),
        (
            {"a": b"1,2\n", "b[1]": b"3,4\n"},
            "--input {}/b[1]: the characters [ ] are patterns in Spark; name",
        ),
    ],
)
def test_folders_are_refused_by_place(
    context: Any, tmp_path: Path, parts: dict[str, bytes], message: str
) -> None:
    for name, content in parts.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    uri = f"file://{tmp_path}"
    with pytest.raises(UserError, match=f"^{re.escape(message.format(uri, uri))}"):
        open_address(context, tmp_path)


def test_options_of_text_for_parquet(context: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"a": [1.0, 2.0]}), path)
    options = InputOptions(f"file://{path}")
    with pytest.raises(UserError, match=rf"^--missing drop: file://{path} is Parquet, not text$"):
        open_uri(context, options, ALL_COLUMNS, 3, TextOptions(missing="drop"))


def test_bad_input_is_refused_by_line(context: Any, tmp_path: Path) -> None:
    path = tmp_path / "bad.txt"
    path.write_text("1,2\n3,4\n5,x\n")
    with (
        engine(SparkRows.of_file(context, open_input(path), 2), 2, True, ListLog()) as ours,
        pytest.raises(UserError, match="line 3, column 2: 'x' is not a number"),
    ):
        result(ours, path, "sample")


def fail(context: Any) -> None:
    with translated_errors():
        context.parallelize([1]).map(lambda _: __import__("nowhere")).collect()


def test_a_failed_task_is_one_line(context: Any, tmp_path: Path) -> None:
    """The text names what the executor's Python said."""
    with pytest.raises(UserError, match=r"nowhere is missing on the executors; run pip install nowhere"):
        fail(context)


Call = Callable[..., Any]


@pytest.fixture(scope="module")
def standalone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Call]]:
    folder = tmp_path_factory.mktemp("cluster") / "spark"
    with cluster("spark", folder) as call:
        yield folder, call


def executors(folder: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter(["cmdline", "cwd"]):
        line = " ".join(process.info["cmdline"] or [])
        if "CoarseGrainedExecutorBackend" in line and str(folder) in str(process.info["cwd"]):
            found.append(process)
    return found


def test_an_executor_killed_in_mid_run(
    standalone: tuple[Path, Call], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the cluster, from another folder than that of our code, which the executors get sent."""
    folder, _ = standalone
    monkeypatch.setenv("SPARK_CONF_DIR", str(folder / "conf"))
    monkeypatch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    asked = [*options(m=2, r=2), "--engine", "spark", "--labels", "labels.txt", "--task-delay", "2"]
    with BackgroundRun(tmp_path, *asked) as run:
        run.wait_for(IterationStarted, iteration=1)
        victim = executors(folder)[0]
        said = Path(victim.cwd()) / "stderr"
        run.wait_for(IterationFinished, iteration=1)
        begun = said.read_text().count("Running task")
        wait_until(lambda: said.read_text().count("Running task") > begun, "task to interrupt")
        victim.kill()
        assert run.end() == (0, "")
    assert centroids_of(tmp_path) == SAMPLE_CENTROIDS
    assert len((tmp_path / "labels.txt").read_text().splitlines()) == 31
    assert run.story().of(TaskFinished, status=FAILURE, reason=containing("ExecutorLost"))
    assert run.story().of(Cluster, engine=containing("Spark"))


def test_without_the_secret(standalone: tuple[Path, Call], tmp_path: Path) -> None:
    folder, _ = standalone
    (line,) = re.findall(r"spark\.master +(\S+)", (folder / "conf" / "spark-defaults.conf").read_text())
    ended = run_master(tmp_path, *options(), "--engine", "spark", "--spark-master", line, "--quiet")
    assert ended.returncode == 2
    assert ended.stderr.startswith(f"Error: --spark-master {line} rejected the connection (")
    assert ended.stderr.count("\n") == 1
    assert (folder / "conf" / "spark-defaults.conf").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--keep-iterations"], f"--keep-iterations does not apply to --engine spark{NO_FILES}"),
        (["--dask-scheduler", "tcp://x:1"], "--dask-scheduler is for --engine dask, not for spark"),
        (["--conf", "x"], "--conf x: it must be name=value"),
        (["--conf", "spark.authenticate.secret=x"], f"--conf spark.authenticate.secret: every user can read a command line{PUT}"),  # noqa: E501
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)  # fmt: skip
def test_refused_options(tmp_path: Path, arguments: list[object], message: str) -> None:
    ended = run_master(tmp_path, *options(), "--engine", "spark", *arguments)
    assert (ended.returncode, ended.stderr) == (2, f"Error: {message}\n")
    assert list(tmp_path.iterdir()) == []


def test_no_java(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    ended = run_master(tmp_path, *options(), "--engine", "spark", "--quiet")
    assert ended.returncode == 2
    assert ended.stderr.startswith(
        "Error: --engine spark needs Java 17 or newer, and there is none: apt install"
    )


def test_nobody_answers(tmp_path: Path) -> None:
    url = "spark://127.0.0.1:1"
    ended = run_master(tmp_path, *options(), "--engine", "spark", "--spark-master", url)
    message = f"Error: --spark-master {url}: no answer. Is the cluster running? Is the port right?\n"
    assert ended.stderr == message
    assert ended.returncode == 2
