"""Remove files: temporary ones, those that no manifest lists, and what only a run in progress needs."""

import glob
import os
import shutil
from contextlib import suppress
from pathlib import Path

from common.store.names import CACHE, JOB_FOLDER, LOCK, MANIFEST, TEMPORARY


def remove(path: Path) -> None:
    """Remove a file, a link or a whole folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def remove_leftovers(path: Path) -> None:
    """Remove the temporary files that `write_whole` left for this path when its process was killed."""
    path = Path(os.path.realpath(path))
    for temporary in path.parent.glob(f".{glob.escape(path.name)}.*{TEMPORARY}"):
        remove(temporary)


def clean_before_run(node: Path) -> None:
    """Remove what a killed worker left in its folder: temporary files, and files that no manifest lists."""
    for temporary in (node / CACHE).glob(f".*{TEMPORARY}"):
        remove(temporary)
    for folder in (node, *(path for path in node.rglob("*") if path.is_dir())):
        if folder.name != CACHE:
            _remove_unlisted(folder)


def clean_after_run(node: Path) -> None:
    """Remove a worker's cache, temporary files and the folders of jobs outside the iterations."""
    remove(node / CACHE)
    for path in [*node.rglob(f".*{TEMPORARY}"), *node.glob(f"{JOB_FOLDER}*")]:
        remove(path)


def _remove_unlisted(folder: Path) -> None:
    listed = {LOCK, MANIFEST}
    with suppress(FileNotFoundError):
        lines = (folder / MANIFEST).read_text("utf-8", "replace").splitlines()
        listed |= {line.split(" ")[0] for line in lines[1:]}
    for path in folder.iterdir():
        if path.is_file() and path.name not in listed:
            remove(path)
