"""A model for each part of the input, fitted there alone, beside the model of all rows."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from common.events.catalogue.logistic import ModelScored, PartModel
from common.events.log import Log
from common.jobs.base import Engine
from common.jobs.logistic import LocalFit
from common.model import FloatArray
from master.algorithms.logistic.config import LogisticConfig
from master.algorithms.logistic.learning import Learned
from master.algorithms.logistic.scores import ModelScores, score
from master.algorithms.tables import aligned


@dataclass(frozen=True)
class Fit:
    """What a fit to a part took, and what it came to."""

    rows: int
    iterations: int
    converged: bool
    seconds: float
    cpu_seconds: float
    peak_mb: float


@dataclass(frozen=True)
class ScoredPart:
    """The model of a part, from 1, scored on the rows that all models are scored on."""

    node: int
    fit: Fit
    scores: ModelScores

    @property
    def figures(self) -> dict[str, object]:
        """All figures by name."""
        scored = {name: value for name, value in self.scores.figures.items() if name != "rows"}
        return {"node": self.node, **asdict(self.fit), **scored}


def fit_parts(
    engine: Engine, learned: Learned, penalties: FloatArray, config: LogisticConfig, log: Log, *, test: bool
) -> tuple[ScoredPart, ...]:
    """Have each map task fit a model to its part, and score all of them on the same rows."""
    shape = len(learned.classes), learned.parameters
    state = {**learned.state, "theta": np.zeros((1, *shape)), "penalties": penalties}
    sample, per_row = learned.sample, config.l2 == "auto"
    l2 = config.penalty(1, len(learned.classes))
    job = LocalFit(*sample.parameters, l2, int(per_row), config.tol, config.iterations)
    found = engine.map_reduce(job, state)
    rows = np.concatenate([found[key] for key in sorted(found, key=int)])
    models = rows[:, 4:-3].reshape(-1, *shape)
    fits = [
        Fit(int(n), int(iterations), bool(converged), round(s, 6), round(cpu_s, 6), round(peak_mb, 3))
        for n, iterations, converged, s, cpu_s, peak_mb in rows[:, [0, 1, 2, -3, -2, -1]].tolist()
    ]
    scores = score(engine, learned.state, models, learned.classes, sample, test=test)
    parts = tuple(ScoredPart(i, *each) for i, each in enumerate(zip(fits, scores, strict=True), 1))
    for part in parts:
        log.event(PartModel(model=str(part.node), **asdict(part.fit)))
        sampled = "test" if test else "training"
        log.event(ModelScored(model=str(part.node), sample=sampled, **part.scores.figures))
    return parts


def parts_table(parts: Sequence[ScoredPart], whole: ScoredPart) -> Iterator[str]:
    """Yield the lines of a table of the parts' models and that of all rows."""
    heads = "model,rows,weighted F1,macro F1,accuracy,log-loss,iterations,seconds,CPU seconds,peak MB"
    rows = [heads.split(",")]
    for part in (*parts, whole):
        fit, scores = part.fit, part.scores
        figures = (scores.weighted_f1, scores.macro_f1, scores.accuracy, scores.log_loss)
        rows.append(
            [
                f"part {part.node}" if part.node else "all rows",
                str(fit.rows),
                *(f"{figure:.4f}" for figure in figures),
                str(fit.iterations),
                f"{fit.seconds:.3f}",
                f"{fit.cpu_seconds:.3f}" if part.node else "-",
                f"{fit.peak_mb:.1f}" if part.node else "-",
            ]
        )
    yield from aligned(rows, "<>")
