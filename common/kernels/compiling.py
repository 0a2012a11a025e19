"""How kernels are compiled: when they are first called, and for the processes after this one."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
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
    return compiled
