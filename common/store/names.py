"""What files and folders are called."""

from pathlib import Path

from common.model import RecordFormat, Role

MAP_OUTPUT = "map_output"
REDUCE_OUTPUT = "output"
MANIFEST = "manifest.txt"
SUFFIXES = {RecordFormat.TEXT: ".txt", RecordFormat.ARROW: ".arrow"}
CACHE = ".cache"
"""A node's folder for what it made of its splits."""
JOB_FOLDER = "job_"
TEMPORARY = ".tmp"
ASIDE = ".earlier"


def node_name(role: Role, index: int) -> str:
    """Name a worker, its index counted from 1: M1, R2."""
    return f"{role[0].upper()}{index}"


def partition_name(partition: int) -> str:
    """Name a partition, counted from 0."""
    return f"partition_{partition + 1}"


def set_aside_name(path: Path) -> Path:
    """Return the name that a file or folder of an earlier run has while a new run begins."""
    return path.with_name(f".{path.name}{ASIDE}")
