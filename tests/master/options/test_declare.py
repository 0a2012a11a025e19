"""Options are the fields of dataclasses."""

from dataclasses import MISSING, dataclass
from pathlib import Path
from typing import ClassVar

import pytest

from common.errors import UsageError
from master.options.declare import at_least, at_most, declared_options, given_options, option, required


@dataclass(frozen=True)
class Colours:
    title: ClassVar[str] = "Colours"

    main_colour: str = required("The colour.")
    more: tuple[str, ...] = option((), "Others.", name="--with")
    palette: Path | None = option(None, "A file.", metavar="FILE")
    not_an_option: int = 0


def test_each_annotated_field_is_an_option() -> None:
    found = {each.name: (each.field, each.kind, each.default) for each in declared_options(Colours)}
    assert found == {
        "--main-colour": ("main_colour", str, MISSING),
        "--with": ("more", tuple[str, ...], ()),
        "--palette": ("palette", Path | None, None),
    }


def test_the_values_of_an_instance_are_defaults() -> None:
    assert [each.default for each in declared_options(Colours("red", ("blue",)))] == ["red", ("blue",), None]


def test_given_options_are_those_that_differ_from_the_defaults() -> None:
    assert given_options(Colours("red")) == {"--main-colour"}
    assert given_options(Colours("red", ("blue",)), Colours("red", palette=Path("x"))) == {
        "--main-colour",
        "--with",
        "--palette",
    }


def test_bounds() -> None:
    at_least("--n", 1, 1)
    at_most("--n", 1, 1)
    with pytest.raises(UsageError, match="--n is 0, but must be 1 or more"):
        at_least("--n", 0, 1)
    with pytest.raises(UsageError, match="--n is nan, but must be 1 or less"):
        at_most("--n", float("nan"), 1)
