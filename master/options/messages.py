"""The options that say what a command prints; every command has them."""

from dataclasses import dataclass
from typing import ClassVar

from common.errors import UsageError
from master.options.declare import option


@dataclass(frozen=True)
class MessageOptions:
    """What is printed."""

    title: ClassVar[str] = "Output"

    quiet: bool = option(False, "Print only errors, and warnings about the result.")
    json: bool = option(
        False, "Print the result as one JSON object on standard output, and messages on standard error."
    )
    ui: bool = option(False, "Serve a page of the run to browsers of this machine, and print its address.")
    dry_run: bool = option(False, "Print how the input is understood, and run nothing.")
    debug: bool = option(False, "Print the traceback of an error.")

    def __post_init__(self) -> None:
        if self.json and self.dry_run:
            raise UsageError("--json and --dry-run exclude each other: a dry run has no result")
