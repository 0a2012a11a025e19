"""Random numbers that depend on nothing but a seed, a round and a row's index."""

import numpy as np

from common.model import FloatArray


def uniforms(seed: int, round_number: int, start: int, n: int) -> FloatArray:
    """Draw numbers `start` to `start + n` of the sequence keyed by (seed, round), in [0, 1).

    Philox (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011) makes four
    numbers from each value of its counter, which may be set at will.
    """
    bits = np.random.Philox(key=[seed, round_number], counter=[start // 4, 0, 0, 0])
    return np.random.Generator(bits).random(start % 4 + n)[start % 4 :]
