"""What lies around a run: a small disk, links to what is not its own, and where its temporary files go."""

import shutil
import subprocess
from contextlib import suppress
from pathlib import Path
from tempfile import mkdtemp

_DISK_BYTES = 64 << 20
_NOT_OURS = ["text", "iteration_1.jsonl", "iteration_1.jsonl.tmp", "map_output.txt", "manifest.txt"]
"""Each of these files has its name as its content."""


class Surroundings:
    """Those of the runs in a folder.

    Parameters
    ----------
    folder
        Its folder `data` is the runs' data directory.
    small_disk
        Whether that is on a disk of its own, as far as we may mount one.
    link
        The name of a link in it, to somebody else's file or folder; "": none.
    """

    def __init__(self, folder: Path, *, small_disk: bool, link: str) -> None:
        self.temporary = Path(mkdtemp(prefix="chaos-"))
        """A folder with a short path, for a socket's path cannot be long."""
        self._data, self._not_ours = folder / "data", self.temporary / "not_ours"
        self._filler, self._link = self._data / "filler", self._data / link
        self._left: set[Path] = set()
        self._data.mkdir()
        if small_disk:
            mount = ["mount", "-t", "tmpfs", "-o", f"size={_DISK_BYTES}", "chaos", str(self._data)]
            subprocess.run(mount, capture_output=True)  # only root may
        if link:
            self._not_ours.mkdir()
            for name in _NOT_OURS:
                (self._not_ours / name).write_text(name)
            self._link.parent.mkdir(exist_ok=True)
            self._link.symlink_to(self._not_ours / ("text" if link == ".lock" else ""))

    def close(self) -> None:
        """Remove what is not in the folder."""
        if self._data.is_mount():
            unmount = ["umount", "--lazy", str(self._data)]
            subprocess.run(unmount, capture_output=True)
        shutil.rmtree(self.temporary, ignore_errors=True)

    def fill_disk(self) -> bool:
        """Fill the small disk; False: there is none, or it is full."""
        if not self._data.is_mount() or self._filler.exists():
            return False
        with suppress(OSError), self._filler.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(1 << 16))
        return True

    def free_disk(self) -> None:
        """Free what filled it."""
        self._filler.unlink(missing_ok=True)

    def remove_link(self) -> bool:
        """Remove the link, as a person would whose run was refused; False: there is none."""
        if found := self._link.is_symlink():
            self._link.unlink()
        return found

    def problems(self, *, killed_alone: bool) -> list[str]:
        """Return what is wrong after a run: sockets that are left, files of others that are changed.

        Nobody can remove the sockets of a master that was killed while no worker had joined.
        """
        if killed_alone:
            self._left.update(self.temporary.glob("mapreduce-*"))
        problems = [f"leftover: {path}" for path in {*self.temporary.glob("mapreduce-*")} - self._left]
        if self._not_ours.exists():
            found = {path.name: path.is_file() and path.read_bytes() for path in self._not_ours.iterdir()}
            if changed := found.items() ^ {(name, name.encode()) for name in _NOT_OURS}:
                names = sorted({name for name, _ in changed})
                problems.append(f"not ours: behind the link {self._link} was changed: {', '.join(names)}")
        return problems
