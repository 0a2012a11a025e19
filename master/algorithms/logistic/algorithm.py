"""Logistic regression as a run sees it: fit a model, classify rows by one, or compare one with classes."""

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from common.errors import counted, shortened
from common.events.catalogue.logistic import ClassConfusion, FitInDoubt, ModelScored, TableLearned
from common.events.log import Log
from common.jobs.base import Engine
from common.jobs.encoding import Sample
from common.jobs.models import Classify
from common.kernels.logistic.newton import Step
from common.kernels.logistic.objective import Objective
from common.model import Input
from common.store.names import MODEL, REPORT
from master.algorithms.base import Algorithm, Checkpoints, Labelling, Progress, Published, ResultFile
from master.algorithms.logistic.config import LogisticConfig, TableOptions
from master.algorithms.logistic.doubts import doubts_of
from master.algorithms.logistic.learning import Learned, check_seen, find_texts, learn, name_of, refusal
from master.algorithms.logistic.loop import check_progress, fit
from master.algorithms.logistic.model import CategoryColumn, Model, NumberColumn
from master.algorithms.logistic.parts import Fit, ScoredPart, fit_parts, parts_table
from master.algorithms.logistic.scores import ModelScores, confusion_table, score

_GLOBAL = "global"


@dataclass(frozen=True)
class Fitted:
    """A model, and how good it is."""

    model: Model
    scores: ModelScores
    sample: str
    """The rows that it was scored on: `test` or `training`."""
    seconds: float
    parts: tuple[ScoredPart, ...] = ()
    """The models of the parts of the input, if they are wanted."""
    doubts: tuple[str, ...] = ()

    @property
    def whole(self) -> ScoredPart:
        """The model of all rows as one beside the parts' models."""
        model = self.model
        return ScoredPart(
            0, Fit(model.rows, model.iterations, model.converged, self.seconds, 0.0, 0.0), self.scores
        )


@dataclass(frozen=True)
class LogisticAlgorithm(Algorithm[Fitted]):
    """Fit a model; the result is model.json."""

    config: LogisticConfig
    table: TableOptions

    file_names: ClassVar = (MODEL, REPORT)

    @property
    def iterations(self) -> int:
        """How many iterations it runs at most."""
        return self.config.iterations

    def parameters(self) -> dict[str, str]:
        """Return the options that decide the result."""
        config = self.config
        return {
            "--target": self.table.target,
            "--categories": self.table.categories or "",
            "--missing": self.table.missing,
            "--tol": repr(config.tol),
            "--l2": config.l2,
            "--class-weight": config.class_weight,
            "--test": repr(config.test),
            "--seed": str(config.seed),
            "--unseen": config.unseen,
        }

    def check_progress(self, source: Input, iteration: int, parts: Sequence[Progress]) -> None:
        """Raise ValueError unless this is a fit after that iteration."""
        if len(parts) != 1:
            raise ValueError(f"{len(parts)} fits, not 1")
        check_progress(parts[0], iteration)

    def run(self, engine: Engine, source: Input, log: Log, checkpoints: Checkpoints) -> Fitted:
        """Learn the columns, fit a model, and score it."""
        config, sample = self.config, self.config.sample(self.table.missing)
        balanced = config.class_weight == "balanced"
        learned = learn(engine, source, sample, balanced=balanced, unseen=config.unseen)
        log.event(learned_event(source, learned))
        l2 = config.penalty(learned.rows, len(learned.classes))
        penalties = np.ones(learned.parameters)
        penalties[len(learned.encoding.numbers)] = 0.0
        objective = Objective(learned.grid, learned.weight, l2, penalties)
        began_s = time.monotonic()
        step = fit(
            *(engine, learned, objective),
            iterations=config.iterations,
            tol=config.tol,
            log=log,
            checkpoints=checkpoints,
        )
        seconds = time.monotonic() - began_s
        tested = config.test > 0
        state, models = learned.state, step.theta[None]
        (scores,) = score(engine, state, models, learned.classes, sample, test=tested)
        on_training = scores
        if tested and l2 == 0:
            (on_training,) = score(engine, state, models, learned.classes, sample, test=False)
        doubts = tuple(doubts_of(config, step, l2, on_training, scores, learned.rows))
        for doubt in doubts:
            log.event(FitInDoubt(reason=doubt))
        which = "test" if tested else "training"
        log_scores(log, scores, which)
        parts = fit_parts(engine, learned, penalties, config, log, test=tested) if config.per_node else ()
        return Fitted(_model_of(source, learned, step, l2), scores, which, seconds, parts, doubts)

    def publish(self, result: Fitted) -> Published:
        """Return the model, and how good it is."""
        report = _report(result)
        model = ResultFile(MODEL, "the model", result.model.to_json(), is_shown=False)
        return Published(
            summary=summary_of(result.scores, result.sample),
            lines=tuple(_lines(result)),
            files=(model, report_file(report)),
            figures=report,
        )


def learned_event(source: Input, learned: Learned) -> TableLearned:
    """Return what is logged of a table that was learnt."""
    encoding = learned.encoding
    return TableLearned(
        numbers=tuple(name_of(source, column) for column in encoding.numbers),
        categories=tuple(name_of(source, column.position) for column in encoding.categories),
        classes=learned.classes,
        class_rows=learned.class_rows,
        parameters=learned.parameters,
    )


def _model_of(source: Input, learned: Learned, step: Step, l2: float) -> Model:
    encoding, scaling = learned.encoding, learned.scaling
    numbers = zip(encoding.numbers, scaling.mean.tolist(), scaling.scale.tolist(), strict=True)
    return Model(
        target=name_of(source, len(source.columns) - 1),
        classes=learned.classes,
        numbers=tuple(NumberColumn(name_of(source, column), *how) for column, *how in numbers),
        categories=tuple(
            CategoryColumn(name_of(source, column.position), column.texts) for column in encoding.categories
        ),
        theta=step.theta,
        l2=l2,
        iterations=step.iteration,
        gradient=step.gradient,
        converged=step.converged,
        rows=learned.rows,
    )


def log_scores(log: Log, scores: ModelScores, sample: str, model: str = _GLOBAL) -> None:
    """Log how good a model is."""
    log.event(ModelScored(model=model, sample=sample, **scores.figures))
    if model != _GLOBAL:
        return
    figures = zip(scores.confusion.tolist(), scores.precisions, scores.recalls, scores.f1s, strict=True)
    for text, (counts, precision, recall, f1) in zip(scores.classes, figures, strict=True):
        event = ClassConfusion(
            model=model, class_=text, taken_for=tuple(counts), precision=precision, recall=recall, f1=f1
        )
        log.event(event)


def summary_of(scores: ModelScores, sample: str) -> str:
    """Return the figures in one line."""
    f1 = f"F1 {scores.weighted_f1:.4f} weighted by rows and {scores.macro_f1:.4f} macro"
    return (
        f"{scores.rows} {sample} rows: accuracy {scores.accuracy:.4f}, {f1}, log-loss {scores.log_loss:.4f}"
    )


def _report(result: Fitted) -> dict[str, object]:
    scores, model = result.scores, result.model
    return {
        "sample": result.sample,
        **{name: value for name, value in scores.figures.items() if name != "rows"},
        "rows": model.rows + (scores.rows if result.sample == "test" else 0),
        "training_rows": model.rows,
        "test_rows": scores.rows if result.sample == "test" else 0,
        "iterations": model.iterations,
        "converged": model.converged,
        "classes": list(scores.classes),
        "confusion": scores.confusion.tolist(),
        "fit_seconds": result.seconds,
        "doubts": list(result.doubts),
        **({"nodes": [part.figures for part in result.parts]} if result.parts else {}),
    }


def _lines(result: Fitted) -> Iterator[str]:
    yield from confusion_table(result.scores)
    if result.parts:
        yield ""
        yield from parts_table(result.parts, result.whole)


def report_file(report: dict[str, object]) -> ResultFile:
    """Return the figures as a file for programs."""
    content = json.dumps(report, indent=1, ensure_ascii=False, allow_nan=False).encode() + b"\n"
    return ResultFile(REPORT, "how good it is, for programs", content, is_shown=False)


@dataclass(frozen=True)
class UsedModel:
    """A model that was read, and how it is to be used."""

    model: Model
    path: Path
    unseen: str

    def check_columns(self, engine: Engine, source: Input, *, with_target: bool) -> None:
        """Raise InputError if a column holds what the model has not seen, unless that may be."""
        texts = find_texts(engine, source, Sample())
        for column in self.model.encoding(with_target=False).categories:
            check_seen(source, column.position, texts[column.position], column.texts, self.unseen)
        if not with_target:
            return
        target = len(source.columns) - 1
        classes = self.model.classes
        strange = {row: text for text, row in texts[target].first_row.items() if text not in ("", *classes)}
        if strange:
            row = min(strange)
            known = shortened(", ".join(classes), 100)
            what = f"{shortened(strange[row])!r} is none of the classes of {self.path}, which are: {known}"
            raise refusal(source, target, what, row + 1)


@dataclass(frozen=True)
class ClassPrediction(Algorithm[int]):
    """Find the class of each row."""

    used: UsedModel
    probabilities: bool

    def run(self, engine: Engine, source: Input, log: Log, checkpoints: Checkpoints) -> int:
        """See that the model knows all that the rows hold; return the number of rows."""
        self.used.check_columns(engine, source, with_target=False)
        return source.rows

    def publish(self, result: int) -> Published:
        """Return the job that classifies the rows."""
        job = Classify(0, 0.0, 0, int(self.probabilities))
        labelling = Labelling(job, self.used.model.state(with_target=False), "the class of each input row")
        summary = f"{counted(result, 'row')} classified"
        return Published(summary, labels=labelling, figures={"rows": result})


@dataclass(frozen=True)
class Evaluation(Algorithm[ModelScores]):
    """Compare what a model says of rows with their classes."""

    used: UsedModel

    file_names: ClassVar = (REPORT,)

    def run(self, engine: Engine, source: Input, log: Log, checkpoints: Checkpoints) -> ModelScores:
        """Score the model."""
        self.used.check_columns(engine, source, with_target=True)
        model = self.used.model
        state = model.state(with_target=True)
        (scores,) = score(engine, state, model.theta[None], model.classes, Sample(), test=False)
        if not scores.rows:
            raise refusal(source, len(source.columns) - 1, "no row has a class; choose another --target")
        log_scores(log, scores, "given")
        return scores

    def publish(self, result: ModelScores) -> Published:
        """Return how good the model is."""
        report = {**result.figures, "classes": list(result.classes), "confusion": result.confusion.tolist()}
        return Published(
            summary=summary_of(result, "given"),
            lines=tuple(confusion_table(result)),
            files=(report_file(report),),
            figures=report,
        )
