"""Our code as one archive, for workers that have it not installed.

Spark and Dask put such an archive on the workers' import path. Compiled kernels can't be kept in it, so
the package in it unpacks itself when it is first imported, to a folder that is the same each time.
"""

import hashlib
import os
import shutil
import tempfile
import zipfile
from pathlib import Path

CODE_ROOT = Path(__file__).resolve().parents[2]
"""The folder from which our packages are imported."""

_PACKAGE = CODE_ROOT / "common"
_WIRE = ("rpc", "worker")
_UNPACK = """
from common.engines.shipping import unpack

__path__[:] = [unpack(__file__)]
"""
_ANY_DATE = (2000, 1, 1, 0, 0, 0)


def write_archive(folder: Path) -> Path:
    """Write the archive into a folder; the same code gives the same bytes and the same name."""
    draft = folder / "code.zip"
    with zipfile.ZipFile(draft, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(_PACKAGE.rglob("*.py")):
            name = path.relative_to(_PACKAGE)
            if name.parts[0] not in _WIRE:
                text = path.read_text() + (_UNPACK if str(name) == "__init__.py" else "")
                archive.writestr(zipfile.ZipInfo(f"common/{name.as_posix()}", _ANY_DATE), text)
    return draft.rename(folder / f"kmeans_mapreduce_{_digest(draft)}.zip")


def unpack(module_file: str) -> str:
    """Unpack the archive that a module was imported from, once; return its package's folder.

    Raise PermissionError if somebody else has a folder where ours must be.
    """
    archive = Path(module_file).parents[1]
    folder = Path(tempfile.gettempdir()) / f"kmeans-mapreduce-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if folder.is_symlink() or status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise PermissionError(f"{folder} must be a folder that only its owner can use; remove it")
    unpacked = folder / _digest(archive)
    if not unpacked.exists():
        draft = tempfile.mkdtemp(dir=folder)
        shutil.unpack_archive(archive, draft, "zip")
        try:
            Path(draft).rename(unpacked)
        except OSError:  # another process was faster
            shutil.rmtree(draft)
    return str(unpacked / "common")


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
