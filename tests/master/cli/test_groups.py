"""Groups of options become a command, and what is parsed becomes groups, by name."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import click
import pytest
from click.testing import CliRunner

from common.errors import InputError
from common.model import FloatType
from master.algorithms.base import Command, Prepared
from master.algorithms.wordcount.commands import WordCountAlgorithm
from master.cli.commands import command_line
from master.engines.table import ENGINES, EngineRow
from master.options.declare import EngineName, option, required
from master.options.messages import MessageOptions

INLINE = EngineName("inline")


@dataclass(frozen=True)
class Shapes:
    title: ClassVar[str] = "Shapes"

    sides: int = required("How many.")
    size: float = option(0.0, "In metres.")
    round_corners: bool = option(False, "Cut them.")
    kind: Literal["open", "closed"] = option("open", "Which.")
    out: Path | None = option(None, "Where.", metavar="FILE")


@dataclass(frozen=True)
class Numbers:
    title: ClassVar[str] = "Shapes"

    dtype: FloatType = option(FloatType.FLOAT64, "The type.")
    names: tuple[str, ...] = option((), "Their names.", name="--name")
    engine: EngineName = option(INLINE, "The engine.")


def command(**groups: Any) -> Command:
    return Command("draw", lambda: Prepared(WordCountAlgorithm()), groups, help="Draw.", summary="Draw.")


def parse(*arguments: str, shapes: Any = Shapes) -> dict[str, Any]:
    found: dict[str, Any] = {}
    line = command_line([command(shapes=shapes, numbers=Numbers)], lambda _, **made: found.update(made))
    result = CliRunner().invoke(line, arguments, standalone_mode=False)
    if isinstance(result.exception, click.ClickException):
        raise result.exception
    return found


def test_groups_are_made_by_name() -> None:
    given = ["--sides", "3", "--size", "0.5", "--round-corners", "--kind", "closed", "--out", "x.svg"]
    assert parse(*given, "--dtype", "float32", "--name", "a", "--name", "b", "--quiet") == {
        "shapes": Shapes(3, 0.5, True, "closed", Path("x.svg")),
        "numbers": Numbers(FloatType.FLOAT32, ("a", "b")),
        "messages": MessageOptions(quiet=True),
    }


def test_types_are_kept() -> None:
    found = parse("draw", "--sides", "3")
    assert found["shapes"] == Shapes(3)
    assert found["numbers"].dtype is FloatType.FLOAT64


def test_an_instance_gives_the_defaults() -> None:
    assert parse("draw", shapes=Shapes(7, 0.5))["shapes"] == Shapes(7, 0.5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["draw"], "Missing option '--sides'."),
        (["paint", "--sides", "3"], "No such command 'paint'."),
        (["--sides", "many"], "Invalid value for '--sides': 'many' is not a valid integer."),
        (["--sides", "3", "--kind", "x"], "Invalid value for '--kind': 'x' is not one of 'open', 'closed'."),
        (["--sides", "3", "--engine", "threads"], "Invalid value for '--engine': 'threads' is not one of "),
    ],
)
def test_wrong_options_are_refused(arguments: list[str], message: str) -> None:
    with pytest.raises(click.ClickException) as refused:
        parse(*arguments)
    assert refused.value.format_message().startswith(message)


Help = Callable[[int], str]


@pytest.fixture
def help_text(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Help:
    """Return a function that prints the help on a terminal of that many columns."""

    def shown(columns: int) -> str:
        monkeypatch.setenv("COLUMNS", str(columns))
        line = command_line([command(shapes=Shapes, numbers=Numbers)], execute=print)
        line.main(["-h"], standalone_mode=False)
        return capsys.readouterr().out

    return shown


def test_engines_are_those_now_in_the_table(help_text: Help, monkeypatch: pytest.MonkeyPatch) -> None:
    row = EngineRow("threads of this process", start="nowhere:start", threads=lambda *_: 1)
    monkeypatch.setitem(ENGINES, "threads", row)
    assert parse("--sides", "3", "--engine", "threads")["numbers"].engine == "threads"
    assert "threads: threads of this process." in help_text(400)


def test_help_is_in_sections_as_wide_as_the_terminal(help_text: Help) -> None:
    text = help_text(150)
    assert text.count("  Shapes: \n") == 1
    assert "  Output: \n" in text
    assert "[default: 0.0]" in text
    assert "[default: float64]" in text
    assert 100 < max(map(len, text.splitlines())) <= 150
    assert max(map(len, help_text(60).splitlines())) <= 60


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (InputError("the file is\nempty"), 2, "Error: the file is\\nempty\n"),
        (ZeroDivisionError("x"), 1, "Error: unexpected ZeroDivisionError: x (--debug shows where)\n"),
    ],
)
def test_an_error_is_one_line(error: Exception, code: int, text: str) -> None:
    def work(*_: object, **__: object) -> None:
        raise error

    line = command_line([command()], work)
    ended = CliRunner().invoke(line, ["draw"])
    assert (ended.exit_code, ended.stderr) == (code, text)
    assert "Traceback" in CliRunner().invoke(line, ["--debug"]).stderr
