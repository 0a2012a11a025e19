"""The input is opened here, or by Spark; an address names one file. Runs are tested in tests/engines."""

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from common.errors import UsageError
from master.engines.table import ENGINES
from master.options.declare import EngineName
from master.options.groups import InputOptions, OutputOptions, RunConfig, WorkerOptions
from master.options.text_files import TextFileOptions

SEVERAL = r"^--input hdfs://host/{a,b}/\*.csv: the characters \* , { } are patterns in Spark; name a file or"


def config(source: str) -> RunConfig:
    workers = WorkerOptions(2, 1, EngineName("spark"))
    return RunConfig(input=InputOptions(source), output=OutputOptions(), workers=workers)


def test_a_file_needs_no_spark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", "/nowhere")
    (tmp_path / "points.csv").write_text("1,2\n")
    with ExitStack() as stack:
        file = ENGINES["spark"].open_input(config(str(tmp_path / "points.csv")), stack)
        assert file.input.rows == 1


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("hdfs://host/{a,b}/*.csv", SEVERAL),
        ("hdfs://host/a b-c.csv", "needs Java 17 or newer, and there is"),
    ],
)
def test_an_address_is_checked_before_spark_starts(
    monkeypatch: pytest.MonkeyPatch, source: str, text: str
) -> None:
    monkeypatch.setenv("JAVA_HOME", "/nowhere")
    with ExitStack() as stack, pytest.raises(UsageError, match=text):
        ENGINES["spark"].open_input(config(source), stack)


@pytest.mark.parametrize("text", [TextFileOptions(comment="#"), TextFileOptions(skip_rows=1)])
def test_spark_would_take_lines_that_are_left_out_for_rows(text: TextFileOptions) -> None:
    asked = replace(config("hdfs://host/a.csv"), text=text)
    said = r"^--input hdfs://host/a\.csv: --comment and --skip-rows are for files, not for addresses$"
    with ExitStack() as stack, pytest.raises(UsageError, match=said):
        ENGINES["spark"].open_input(asked, stack)
