"""What a process has used of its machine."""

import mmap
import sys
from pathlib import Path

import pytest

from common.machine import used


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells all of it")
def test_what_is_used_is_counted(tmp_path: Path) -> None:
    size_bytes = 100_000_000
    (tmp_path / "file").write_bytes(bytes(size_bytes))
    before = used()
    # Memory of the system's: malloc may take it from what other tests have freed.
    held = mmap.mmap(-1, size_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    held.write((tmp_path / "file").read_bytes())
    after = used()
    assert len(held) == size_bytes
    assert after.read_bytes - before.read_bytes >= size_bytes
    assert after.resident_bytes > after.anonymous_bytes >= before.anonymous_bytes + size_bytes // 2
    assert after.cpu_s > before.cpu_s > 0
