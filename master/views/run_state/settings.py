"""How a run was started, as people write it: options by their names, and what was found."""

from collections.abc import Iterator

from common.events.catalogue.run import RunStarted

_FACTS = {
    "format": "format of dump.txt",
    "rows": "rows of the input",
    "columns": "columns used",
    "cores": "cores of the master",
}
_OPTIONS = (
    "input",
    "dtype",
    "engine",
    "mappers",
    "reducers",
    "combine",
    "intermediate",
    "threads",
    "data_dir",
)
_VALUES = {"True": "yes", "False": "no"}


def settings_of(event: RunStarted) -> Iterator[tuple[str, str]]:
    """Yield options and facts, each with its value."""
    given = {name: value for name, _, value in (text.partition("=") for text in event.settings)}
    own = {name: str(value) for name in _OPTIONS if (value := getattr(event, name)) is not None}
    for name, value in (own | given).items():
        yield _option(name), _VALUES.get(value, value)
    for name, text in _FACTS.items():
        yield text, str(getattr(event, name))
    for version in event.versions:
        name, _, number = version.partition("=")
        yield f"version of {name}", number


def _option(name: str) -> str:
    """Return how an option is written; Spark's settings have dots."""
    return f"--conf {name}" if "." in name else f"--{name.replace('_', '-')}"
