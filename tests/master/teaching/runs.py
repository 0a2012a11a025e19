"""Finished runs to look at, and to spoil."""

import math
import shutil
from collections.abc import Callable
from pathlib import Path
from zlib import crc32

from master.teaching.evidence import Verdict
from master.teaching.finished import open_finished
from master.teaching.verify import verify
from tests.programs import options, run_here


def finished(folder: Path, *more: object, k: int = 3) -> Path:
    """Run K-Means on the sample, in a folder."""
    result = run_here(folder, *options(k=k), *more)
    assert (result.returncode, result.stderr) == (0, "")
    return folder


def verdicts(folder: Path) -> list[Verdict]:
    return verify(open_finished(folder / "dump.txt", folder / "data"))


def broken(folder: Path) -> dict[str, list[str]]:
    """Return the rules that do not hold, with what is wrong."""
    return {each.rule: list(each.faults) for each in verdicts(folder) if each.faults}


class Spoiled:
    """A copy of a finished run, with the lines of its text files to change."""

    def __init__(self, run: Path, folder: Path) -> None:
        shutil.copytree(run, folder, dirs_exist_ok=True)
        self.folder = folder
        self.data = folder / "data"

    def lines(self, name: str) -> list[str]:
        return (self.data / name).read_text().splitlines()

    def change(self, name: str, change: Callable[[list[str]], object]) -> None:
        """Change a file's lines, and its manifest as the writer would have written it then."""
        lines = self.lines(name)
        change(lines)
        path = self.data / name
        path.write_text("".join(f"{line}\n" for line in lines))
        manifest = path.parent / "manifest.txt"
        if manifest.exists() and path != manifest:
            content = path.read_bytes()
            says = f"{path.name} size_bytes={len(content)} records={len(lines)} crc32={crc32(content):08x}"
            kept = [says if line.startswith(f"{path.name} ") else line for line in self.lines_of(manifest)]
            manifest.write_text("".join(f"{line}\n" for line in kept))

    def lines_of(self, path: Path) -> list[str]:
        return path.read_text().splitlines()


def nudged(line: str) -> str:
    """Change the last digit of a record's last number."""
    *rest, last = line.split(",")
    return ",".join([*rest, repr(math.nextafter(float(last), math.inf))])
