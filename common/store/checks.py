"""What stands where we write or remove files must be ours; if not, one line names it."""

import os
from pathlib import Path

from common.errors import UsageError
from common.store.files import Wanted, folder_names, is_marked, mark, open_folder
from common.store.names import LOCK, MARKER, is_file_name, is_folder_name


def take_folder(folder: int, path: Path, option: str) -> None:
    """Mark a folder as ours; UsageError if it holds something and is not."""
    _check_marked(folder, path, option)
    mark(folder)


def check_folders(parent: int, wanted: Wanted, path: Path, option: str) -> None:
    """Raise UsageError if a wanted name in a folder stands for something that is not a folder of ours."""
    check_kinds(parent, lambda _: False, wanted, path, option)
    for name in folder_names(parent, wanted):
        with open_folder(name, parent) as folder:
            check_ours(folder, path / name, option)


def check_ours(folder: int, path: Path, option: str) -> None:
    """Raise UsageError if a folder is not ours, or holds what is in the way of our files."""
    _check_marked(folder, path, option)
    _check_content(folder, path, option)


def check_kinds(folder: int, is_file: Wanted, is_folder: Wanted, path: Path, option: str) -> None:
    """Raise UsageError if something in a folder has a name of ours, but is a link or of another kind."""
    with os.scandir(folder) as entries:
        for entry in entries:
            kind = "a file" if is_file(entry.name) else "a folder" if is_folder(entry.name) else None
            if kind not in (None, found := _kind_of(entry)):
                where = f"{path / entry.name} is {found}, not {kind} of this program"
                raise UsageError(f"{where}; move it, or choose another {option}")


def is_in_marked(path: Path) -> bool:
    """Tell whether a path is below a folder of ours."""
    return any(os.path.isfile(parent / MARKER) for parent in path.parents)  # noqa: PTH113


def _check_marked(folder: int, path: Path, option: str) -> None:
    if not is_marked(folder) and os.listdir(folder):
        what = (
            f"{path} holds files, but not our {MARKER}: another program, or an earlier version, has made it"
        )
        raise UsageError(f"{what}; move it, or choose another {option}")


def _check_content(folder: int, path: Path, option: str) -> None:
    check_kinds(folder, lambda name: name == LOCK or is_file_name(name), is_folder_name, path, option)
    for name in folder_names(folder, is_folder_name):
        with open_folder(name, folder) as inner:
            for other in os.listdir(inner):  # noqa: PTH208
                if not is_file_name(other) and not is_folder_name(other):  # it would be moved with ours
                    raise UsageError(f"{path / name / other} is in a folder of this program; move it away")
            _check_content(inner, path / name, option)


def _kind_of(entry: os.DirEntry[str]) -> str:
    if entry.is_symlink():
        return "a symbolic link"
    return "a folder" if entry.is_dir() else "a file" if entry.is_file() else "a pipe or a device"
