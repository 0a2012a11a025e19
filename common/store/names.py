"""The names of files and folders: what is not named here is not ours, and is never removed."""

import re

from common.model import Role

CENTROIDS = "centroids.txt"
COUNTS = "counts.csv"
MODEL = "model.json"
REPORT = "report.json"
RESULTS = (CENTROIDS, COUNTS, MODEL, REPORT)
"""The results of our algorithms, which no other output replaces, whatever a run is about."""
MAP_OUTPUT = "map_output"
REDUCE_OUTPUT = "output"
MANIFEST = "manifest.txt"
SUFFIXES = (".txt", ".arrow", ".npy")
"""Those of files of records, by their format."""
LOCK = ".lock"
MARKER = ".mapreduce"
"""In each folder that we make for our files; in others nothing is removed."""
CHECKPOINTS = "checkpoints"
CACHE = ".cache"
"""A node's folder for what it keeps of its splits from stage to stage."""
JOB_FOLDER = "job_"
TASK_FOLDER = "task_"
ITERATION_FOLDER = "iteration_"
TEMPORARY = ".tmp"
SET_ASIDE = ".earlier"

_NUMBER = "[1-9][0-9]*"
_OUTPUT = rf"manifest\.txt|(map_output|output|partition_{_NUMBER})\.(txt|arrow|npy)"
_CHECKPOINT = rf"iteration_(0|{_NUMBER})\.jsonl"
_FINISHED = rf"{_OUTPUT}|{_CHECKPOINT}|split_{_NUMBER}_[a-z]+(\.[a-z]+)?"
_TEMPORARY = rf"\.({_FINISHED})\.[0-9a-f-]+\.tmp"

is_node_name = re.compile(f"[MR]{_NUMBER}").fullmatch
is_set_aside_name = re.compile(rf"\.[MR]{_NUMBER}\.earlier").fullmatch
is_checkpoint_name = re.compile(_CHECKPOINT).fullmatch
is_output_name = re.compile(_OUTPUT).fullmatch
is_temporary_name = re.compile(_TEMPORARY).fullmatch
is_file_name = re.compile(f"{_FINISHED}|{_TEMPORARY}").fullmatch
"""Any of a file in a folder with our marker."""
is_folder_name = re.compile(rf"\.cache|(task|iteration)_{_NUMBER}|job_.+").fullmatch
"""That of a folder in a node's folder."""


def centroids_name(k: int) -> str:
    """Name the centroids of one of several numbers of clusters."""
    return f"centroids_k{k}.txt"


def node_name(role: Role, index: int) -> str:
    """Name a worker, its index counted from 1: M1, R2."""
    return f"{role[0].upper()}{index}"


def partition_name(partition: int) -> str:
    """Name a partition, counted from 0."""
    return f"partition_{partition + 1}"


def checkpoint_name(iteration: int) -> str:
    """Name the checkpoint of an iteration."""
    return f"iteration_{iteration}.jsonl"


def set_aside_name(name: str) -> str:
    """Return the name that a folder with a previous run's files has while a new run begins."""
    return f".{name}{SET_ASIDE}"
