"""A classification with a model for each part, for the tests of it on every engine."""

from common.formats.columns import ColumnChoice
from common.formats.dataset import InputFile, open_input, plan_splits
from common.formats.opening import open_split
from common.jobs.apply import map_rows
from common.jobs.base import Engine, Job
from common.kernels.grouping import groups, sort_by_key
from common.machine import usage
from common.model import FloatArray, Key, State
from master.algorithms.base import Checkpoints
from master.algorithms.logistic.algorithm import LogisticAlgorithm
from master.algorithms.logistic.config import LogisticConfig, TableOptions
from master.engines.inline import InlineEngine
from tests.programs import ROOT
from tests.story import ListLog

PARTS = 3
_OPTIONS = TableOptions("Risk_Category")

Result = tuple[bytes, list[dict[str, object]]]


def open_jobs() -> InputFile:
    choice: ColumnChoice = _OPTIONS.choice
    return open_input(ROOT / "data" / "input" / "jobs.csv", choice)


def classified_by(engine: Engine) -> Result:
    """Return the bytes of model.json, and what is known of the parts' models, but for what they took."""
    algorithm = LogisticAlgorithm(LogisticConfig(test=0.2, per_node=True), _OPTIONS)
    found = algorithm.run(engine, open_jobs().input, ListLog(), Checkpoints())
    took = {"seconds", "cpu_seconds", "peak_mb"}
    parts = [{name: x for name, x in part.figures.items() if name not in took} for part in found.parts]
    return found.model.to_json(), parts


def expected_classification() -> Result:
    """Return what the inline engine finds, which knows one part alone, and what it finds with several."""
    file = open_jobs()
    model, _ = classified_by(InlineEngine(file, combine=False))
    _, parts = classified_by(_InlineParts(file))
    return model, parts


class _InlineParts(InlineEngine):
    """Maps part by part."""

    def __init__(self, file: InputFile) -> None:
        super().__init__(file, combine=False)
        splits = plan_splits(file, PARTS)
        self._parts = [
            (open_split(file.source_of(split), split, None).rows, split.row_start) for split in splits
        ]

    def map_reduce(self, job: Job, state: State, iteration: int | None = None) -> dict[Key, FloatArray]:
        runs = [
            sort_by_key(map_rows(job, state, rows, start, combine=False, meter=usage))
            for rows, start in self._parts
        ]
        return dict(groups(job.reduce_runs(runs)))
