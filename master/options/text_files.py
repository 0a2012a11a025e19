"""The options that say how a text file is to be read."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from common.formats.layout import TextOptions, check_marks
from master.options.declare import at_least, option


@dataclass(frozen=True)
class TextFileOptions(TextOptions):
    """How a text file is to be read, where the file does not tell it."""

    title: ClassVar[str] = "Text files"

    header: Literal["auto", "yes", "no"] = option(
        "auto", "Whether the first row holds the columns' names. auto: if it has names and no number."
    )
    delimiter: str | None = option(
        None,
        "What separates fields: a character, or tab, space (any white space), comma or semicolon.  "
        "[default: the one that leaves most numbers]",
        metavar="MARK",
    )
    quote: str = option(
        '"',
        "What encloses a field that has delimiters or line ends in it; none: nothing does.",
        metavar="MARK",
    )
    decimal: Literal[".", ","] = option(".", "The decimal point.")
    comment: str | None = option(None, "Leave out lines that begin with it.", metavar="MARK")
    skip_rows: int = option(0, "Leave out so many lines at the beginning of the file.")
    missing: Literal["error", "drop"] = option(
        "error",
        "What to do with a row that lacks a number (an empty field, NA, NaN, null, None or ?). drop: "
        "leave it out; it gets no label.",
    )

    def __post_init__(self) -> None:
        at_least("--skip-rows", self.skip_rows, 0)
        check_marks(self)
