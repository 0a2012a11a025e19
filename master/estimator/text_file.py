"""A file whose text is to be read as the user says."""

import os
from dataclasses import dataclass, replace
from typing import Literal, Self

from master.estimator.checks import integer, one_of, text, translate_option_names
from master.options.text_files import TextFileOptions


@dataclass(frozen=True)
class TextFile:
    """A text file, and what it does not tell of itself; takes the place of a path in `KMeans`.

    >>> from master import KMeans, TextFile
    >>> model = KMeans(2, random_state=0).fit(TextFile("data/input/points.txt", header="no", columns="1"))
    >>> model.n_features_in_
    1

    Parameters
    ----------
    path
        A file, a folder of files or a pattern.
    header
        "yes" or "no": whether the first row holds the columns' names; "auto": if it has names and no number.
    delimiter
        What separates fields: a character, or "tab", "space" (any white space), "comma" or "semicolon";
        None: the one that leaves most numbers.
    quote
        What encloses a field that has delimiters or line ends in it; "none": nothing does.
    decimal
        The decimal point, "." or ",".
    comment
        Lines that begin with it are left out; None: no lines.
    skip_rows
        So many lines are left out at the beginning of the file.
    missing
        A row that lacks a number is an "error", or with "drop" is left out and gets no label.
    columns
        The columns to use, as in `KMeans`, whose `columns` apply if this is None.

    Raises
    ------
    ValueError
        A value is invalid, or two marks are the same.
    """

    path: str | os.PathLike[str]
    header: Literal["auto", "yes", "no"] = "auto"
    delimiter: str | None = None
    quote: str = '"'
    decimal: Literal[".", ","] = "."
    comment: str | None = None
    skip_rows: int = 0
    missing: Literal["error", "drop"] = "error"
    columns: str | None = None

    def __post_init__(self) -> None:
        with translate_option_names():
            if self.columns is not None:
                text("columns", self.columns, "'x,y' or '1,3-5'")
            _ = self.options

    @classmethod
    def of(cls, file: Self | str | os.PathLike[str], columns: str | None) -> Self:
        """Return a file, or that of a path; the columns are for one that chooses none."""
        found = file if isinstance(file, cls) else cls(file)  # type: ignore[arg-type]
        return found if found.columns is not None else replace(found, columns=columns)

    @property
    def options(self) -> TextFileOptions:
        """The command line's options for it."""
        return TextFileOptions(
            header=one_of("header", self.header, "auto", "yes", "no"),
            delimiter=None if self.delimiter is None else text("delimiter", self.delimiter, "';' or 'tab'"),
            quote=text("quote", self.quote, "'\"' or 'none'"),
            decimal=one_of("decimal", self.decimal, ".", ","),
            comment=None if self.comment is None else text("comment", self.comment, "'#'"),
            skip_rows=integer("skip_rows", self.skip_rows),
            missing=one_of("missing", self.missing, "error", "drop"),
        )
