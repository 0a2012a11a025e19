"""What the rows of the table are made with."""

from contextlib import ExitStack
from pathlib import Path

import pytest

from common.errors import InputError, UsageError
from common.model import FloatType
from master.engines.base import Package, check_installed, load_function, open_file
from master.options.config import RunConfig
from master.options.groups import InputOptions, OutputOptions, WorkerOptions


def test_functions_are_imported_when_they_are_needed() -> None:
    assert load_function("master.engines.base:open_file") is open_file
    with pytest.raises(ModuleNotFoundError):
        load_function("master.engines.nowhere:start")


def test_packages() -> None:
    check_installed("any", None)
    check_installed("any", Package("numpy", module="numpy", pip="numpy"))
    with pytest.raises(UsageError, match="--engine any needs x: pip install x y"):
        check_installed("any", Package("x", module="no_such_module", pip="x y"))


def test_a_file_is_opened_with_its_options(tmp_path: Path) -> None:
    path = tmp_path / "points.csv"
    path.write_text("a,b,c\n1,2,3\n")
    config = RunConfig(
        input=InputOptions(str(path), "c,a", FloatType.FLOAT32),
        output=OutputOptions(),
        workers=WorkerOptions(1, 1),
    )
    with ExitStack() as stack:
        file = open_file(config, stack)
        assert (file.input.columns, file.input.dtype) == ((2, 0), FloatType.FLOAT32)
        path.unlink()
        with pytest.raises(InputError, match="cannot be read: No such file"):
            open_file(config, stack)
