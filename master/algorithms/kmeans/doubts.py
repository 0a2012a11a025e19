"""What makes a result doubtful that is right by the letter: people are told, and the run goes on."""

from collections.abc import Iterator

from master.algorithms.kmeans.config import KMeansConfig

SMALLEST_RANGE = 2.0**-511
"""Of the widest column. From here on, what a squared distance loses below the least float64 is less than what
rounding may take from the greatest one; further down all of them lose digits, and at last they vanish."""

_MUCH_SHIFT = 0.01
"""Of the range of the widest column. scikit-learn goes on, by default, until a centroid moves less than a
hundredth of the standard deviation."""


def doubts_about_range(widest: float, what: str) -> Iterator[str]:
    """Doubt distances whose squares are too small for a float64.

    `widest` is, here and below, the range of the widest column.
    """
    if 0 < widest < SMALLEST_RANGE:
        yield (
            f"the values of {what} differ by {widest:.3g} at most, and squares of numbers below "
            f"{SMALLEST_RANGE:.3g} lose digits or vanish; multiply all values so that they differ by about 1"
        )


def doubts_about_tol(widest: float, shift: float, iteration: int, config: KMeansConfig) -> Iterator[str]:
    """Doubt a tolerance that ended a start at a shift that is large for such data.

    One cluster's centroid is found by the first iteration, however far it moves.
    """
    if config.k > 1 and _MUCH_SHIFT * widest < shift <= config.tol:
        yield (
            f"--tol {config.tol:g} ended the run after iteration {iteration} although a centroid moved by "
            f"{shift:.3g}, which is much for values that differ by {widest:.3g} at most; choose a smaller "
            "--tol, or scale the values"
        )
