"""docs/DUMP.md describes the events that there are, and its example lines are lines."""

from common.events.catalogue.run import FORMAT, Unknown
from common.events.line import parse_line
from scripts.dump_reference import MARK, PAGE, reference


def test_the_tables_are_those_of_the_catalogue() -> None:
    written = PAGE.read_text().partition(MARK)[2]
    assert written == reference(), "run: python -m scripts.dump_reference"


def test_the_page_is_of_this_format() -> None:
    assert f"describes format {FORMAT}." in PAGE.read_text()


def test_its_example_is_a_line() -> None:
    (example,) = [line for line in PAGE.read_text().splitlines() if line.startswith("2026-")]
    entry = parse_line(example)
    assert not isinstance(entry.event, Unknown)
    assert entry.line() == example
