"""How kernels are compiled: when they are first called, and for the processes after this one."""

import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache, partial
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any

from numba import njit
from numba.core.caching import IndexDataCacheFile


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
    """Keep what is compiled under a name of its own for these sources of all kernels.

    numba looks at the file of the function alone, but a kernel holds the code of those of other files that it
    calls, and names their types: after an update it would go on with the old ones, or fail to load them.
    """
    cached = compiled._cache
    base = f"{cached._impl.filename_base}-{_stamp():08x}"
    cached._cache_file = _KeptFiles(cached._cache_path, base, cached._cache_file._source_stamp)


class _KeptFiles(IndexDataCacheFile):
    """What is kept of a function: a file for each type of its arguments.

    numba's own numbers the files, so that two processes may take the same number for two types; and it raises
    whatever error a damaged file or a full disk gives. Here the type names the file, and then the function is
    compiled anew, or not kept.
    """

    def save(self, key: Any, data: Any) -> None:
        """Keep what was compiled for a key: types, processor and the function's code."""
        with suppress(OSError):
            self._save_data(self._name(key), (self._words(key), data))

    def load(self, key: Any) -> Any:
        """Return what is kept for a key; None if nothing is, or it is damaged."""
        with suppress(Exception):
            words, data = self._load_data(self._name(key))
            return data if words == self._words(key) else None
        return None

    def _words(self, key: Any) -> str:
        return f"{self._version} {key!r}"

    def _name(self, key: Any) -> str:
        name: str = self._data_name(zlib.crc32(self._words(key).encode()))
        return name


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


@kernel
def _next(number):  # type: ignore[no-untyped-def]
    return number + 1


def load_compiler() -> None:
    """Let numba load what it needs for its first kernel: that takes longer than all kernels after it."""
    _next(1)


def load_compiler_without_scipy() -> None:
    """Do so in a process that is only ours: numba does not import `scipy.linalg`, which takes long.

    Kernels use none of the functions that need it.
    """
    name = "scipy.linalg"
    loaded = sys.modules.setdefault(name, None)  # type: ignore[arg-type]  # None: its import fails
    try:
        load_compiler()
    finally:
        if loaded is None:
            del sys.modules[name]
