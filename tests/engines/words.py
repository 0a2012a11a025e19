"""A text of a million words, for the tests of word count on every engine."""

from collections import Counter
from pathlib import Path

import numpy as np

from common.jobs.base import Engine
from common.jobs.wordcount import WordCount

ODD = ['"', '""', ",", "a,b", '"a,b"', "'", "é", "e\u0301", "𝄞", "😀,😀", "\ufeff", "\x00", "\u2060"]
ODD += ["-1", "0", "1.5", "1_0", "None"]
SEPARATORS = [" ", " ", " ", " ", " ", " ", "\n", "\r\n", "\t", "\u2028", "\x1c", "\n\n \n"]
WORDS, KNOWN = 1_000_000, 20_000


def write_words(path: Path) -> Counter[str]:
    """Write words, few of them often and many seldom, and return how often each of them occurs."""
    rng = np.random.default_rng(0)
    letters = rng.integers(ord("a"), ord("z") + 1, size=(KNOWN - len(ODD), 12), dtype=np.uint32)
    known = [row[: 1 + i % 12].tobytes().decode("utf-32-le") for i, row in enumerate(letters)]
    chosen = rng.permutation(KNOWN)[rng.zipf(1.3, WORDS) % KNOWN]
    words = _pick([*ODD, *known], chosen.tolist())
    separators = _pick(SEPARATORS, rng.integers(len(SEPARATORS), size=WORDS).tolist())
    text = "".join([part for pair in zip(words, separators, strict=True) for part in pair])
    path.write_bytes(text.encode())
    return Counter(words)


def _pick(items: list[str], positions: list[int]) -> list[str]:
    return [items[i] for i in positions]


def counted_by(engine: Engine) -> dict[str, float]:
    """Count the words of an engine's input."""
    counts = engine.map_reduce(WordCount(), {}, None)
    assert {values.shape for values in counts.values()} == {(1, 1)}
    return {str(word): float(values[0, 0]) for word, values in counts.items()}
