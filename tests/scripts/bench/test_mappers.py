"""The memory of mappers, watched from the process that has started them."""

import os
import subprocess
import sys

from scripts.bench.mappers import MapperMemory, memory_mb
from tests.programs import wait_until


def test_memory_of_a_process() -> None:
    seen = memory_mb(os.getpid())
    assert seen["peak_mb"] >= seen["anonymous_mb"] > 1
    assert seen["file_mb"] > 1
    assert memory_mb(2**22 + 1) == {}


def test_mappers_alone_are_watched_until_they_end() -> None:
    hold = "import sys; open('/proc/self/comm', 'w').write(sys.argv[1])\n"
    hold += "held = bytearray(64 << 20); print('ready', flush=True); input()"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    command = [sys.executable, "-c", hold]
    with (
        subprocess.Popen([*command, "mapper"], **pipes) as mapper,  # type: ignore[call-overload]
        subprocess.Popen([*command, "reducer"], **pipes) as reducer,  # type: ignore[call-overload]
    ):
        assert mapper.stdout.readline() == reducer.stdout.readline() == b"ready\n"
        with MapperMemory() as memory:
            wait_until(lambda: memory.seen.get(mapper.pid, {}).get("anonymous_mb", 0) > 64, "memory")
            mapper.communicate(b"\n")
            reducer.communicate(b"\n")
    assert list(memory.seen) == [mapper.pid]
    assert 64 < memory.seen[mapper.pid]["anonymous_mb"] < 200
