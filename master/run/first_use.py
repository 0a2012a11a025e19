"""Whether a run will wait for kernels to be compiled, as the first one of a new copy of the program does."""

import os
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path

from common.model import Input, InputFormat

_MANY_NUMBERS = 1 << 21
"""For so many, two clusters are enough for compiled code; for fewer it depends on the job."""


def waits_for_kernels(source: Input, places: Iterable[Path] | None = None) -> bool:
    """Tell whether kernels will be needed, and none is kept in `places`, by default those of numba."""
    if source.format is InputFormat.LINES:
        return False
    if not source.is_table and source.rows * len(source.columns) < _MANY_NUMBERS:
        return False
    return not any(True for place in places or _places() for _ in place.rglob("*.nbc"))


def _places() -> Iterator[Path]:
    spec = find_spec("common.kernels")
    assert spec is not None
    yield from map(Path, spec.submodule_search_locations or ())
    yield Path.home() / ".cache" / "numba"
    if given := os.environ.get("NUMBA_CACHE_DIR"):
        yield Path(given)
