"""Word count, the example of the paper: Dean and Ghemawat, "MapReduce" (OSDI 2004), section 2.1."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from common.jobs.base import Job
from common.model import Block, FloatArray, Key, KeyType, Records, State, as_keys


@dataclass(frozen=True)
class WordCount(Job):
    """Count how often each word occurs; a word is what stands between white space.

    map: each word of each line, with the value 1. combine and reduce: the sum, which is exact up to 2**53.
    """

    name: ClassVar[str] = "wordcount"
    reads_lines: ClassVar[bool] = True
    key_type: ClassVar[KeyType] = str

    def map(self, block: Block, state: State) -> Records:
        """Emit (word, 1) for each word."""
        words = [word for line in block.lines for word in line.split()]
        return Records(as_keys(words, str), np.ones((len(words), 1)))

    def reduce(self, key: Key, values: FloatArray) -> FloatArray:
        """Add up."""
        total: FloatArray = values.sum(axis=0, keepdims=True)
        return total
