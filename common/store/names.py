"""The names of files and folders."""

import re
from pathlib import Path

from common.model import RecordFormat, Role

MAP_OUTPUT = "map_output"
REDUCE_OUTPUT = "output"
MANIFEST = "manifest.txt"
SUFFIXES = {RecordFormat.TEXT: ".txt", RecordFormat.ARROW: ".arrow"}
LOCK = ".lock"
CACHE = ".cache"
"""A node's folder for what it keeps of its splits from stage to stage."""
JOB_FOLDER = "job_"
TASK_FOLDER = "task_"
ITERATION_FOLDER = "iteration_"
TEMPORARY = ".tmp"
SET_ASIDE = ".earlier"

is_node_name = re.compile(r"[MR][1-9][0-9]*").fullmatch
is_checkpoint_name = re.compile(r"iteration_(0|[1-9][0-9]*)\.jsonl").fullmatch


def node_name(role: Role, index: int) -> str:
    """Name a worker, its index counted from 1: M1, R2."""
    return f"{role[0].upper()}{index}"


def partition_name(partition: int) -> str:
    """Name a partition, counted from 0."""
    return f"partition_{partition + 1}"


def checkpoint_name(iteration: int) -> str:
    """Name the checkpoint of an iteration."""
    return f"iteration_{iteration}.jsonl"


def set_aside_name(path: Path) -> Path:
    """Return the name that a previous run's file or folder has while a new run begins."""
    return path.with_name(f".{path.name}{SET_ASIDE}")
