"""How kernels are compiled: when they are first called, and for the processes after this one."""

import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache, partial
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any

from numba import njit


def kernel(function: Callable[..., Any] | None = None, *, fastmath: bool | set[str] = False) -> Any:
    """Compile a function that runs without Python's lock, and keep what is compiled.

    numba keeps it where NUMBA_CACHE_DIR says, beside the source or in the user's cache folder. If none can be
    written to, as in a container or in another user's installation, each process compiles for itself.
    """
    if function is None:
        return partial(kernel, fastmath=fastmath)
    compiled = njit(nogil=True, fastmath=fastmath)(function)
    with suppress(RuntimeError):  # no place to keep it
        compiled.enable_caching()
        _tie_to_all_kernels(compiled)
    return compiled


def _tie_to_all_kernels(compiled: Any) -> None:
    """Have what was kept count no more once any kernel's source is another.

    numba looks at the file of the function alone, but a kernel holds the code of those of other files that it
    calls: after an update it would go on with the old ones, and perhaps with other bits.
    """
    file = compiled._cache._cache_file
    file._source_stamp = (file._source_stamp, _stamp())


@cache
def _stamp() -> int:
    """Return a checksum of all kernels' sources."""
    return zlib.crc32(b"".join(_sources(resources.files("common.kernels"))))


def _sources(folder: Traversable) -> Iterator[bytes]:
    for path in sorted(folder.iterdir(), key=lambda path: path.name):
        if path.is_dir():
            yield from _sources(path)
        elif path.name.endswith(".py"):
            yield path.read_bytes()
