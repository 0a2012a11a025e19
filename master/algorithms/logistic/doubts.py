"""What makes a fit doubtful, and what helps."""

from collections.abc import Iterator

from common.kernels.logistic.newton import Step
from master.algorithms.logistic.config import LogisticConfig
from master.algorithms.logistic.learning import is_number
from master.algorithms.logistic.scores import ModelScores

_FEW = 10
"""Classes: a target of more numbers than these, and for every other row one, is a quantity."""


def doubts_of(
    config: LogisticConfig, step: Step, l2: float, training: ModelScores, scores: ModelScores, rows: int
) -> Iterator[str]:
    """Say what makes a fit doubtful; `training` counts only if nothing is penalised.

    `rows` are those of the training.
    """
    if l2 == 0 and training.right == training.rows:
        yield (
            "the classes are separable and nothing is penalised: the best weights are infinite, and these "
            "depend on --iters and --tol; use --l2 auto"
        )
    elif not step.converged:
        where = f"at a derivative of {step.gradient:.3g}"
        yield f"it stopped before it converged, {where}; {_remedy(config, step)}"
    if len(scores.classes) > max(_FEW, rows // 2) and all(map(is_number, scores.classes)):
        yield (
            f"the target holds {len(scores.classes)} different numbers in {rows} training rows, each of "
            "which is a class; choose another --target, or put its numbers into groups"
        )
    if not scores.rows:
        yield "there is no test row; choose another --test or --seed"


def _remedy(config: LogisticConfig, step: Step) -> str:
    """Say what helps a fit that did not converge."""
    if step.iteration >= config.iterations:
        return "try more --iters"
    if step.gradient <= config.tol:
        return "its weights grow without an end; try a greater --l2"
    return "rounding hides what would still lead on; try a greater --tol"
