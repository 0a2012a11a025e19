"""What a reducer makes of the bytes it fetches: runs of records, or the map output's loss."""

import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from common.errors import FetchFailedError
from common.jobs.centroids import Label
from common.model import Attempt, CommittedFile, MapOutput, RecordFormat, Records, Stage, TaskOptions
from common.records import encode
from reducer.task import ReduceTask, shuffle

RECORDS = Records(np.array([1, 1, 3], np.int32), np.array([[1.5], [2.5], [-0.0]]))


def content(kind: RecordFormat) -> bytes:
    out = io.BytesIO()
    encode(RECORDS, kind).write(out)
    return out.getvalue()


POOL = ThreadPoolExecutor(2)


def task(kind: RecordFormat, sources: int = 1, records: int = len(RECORDS)) -> ReduceTask:
    vouched = CommittedFile(1, records, 1)
    outputs = [MapOutput(i, 2, f"M{i + 1}", "", vouched) for i in range(sources)]
    return ReduceTask(Attempt(Stage(1, "label"), 0, 1), Label(), outputs, TaskOptions(intermediate=kind))


@pytest.mark.parametrize("kind", RecordFormat)
def test_runs_come_in_the_order_of_their_sources(kind: RecordFormat) -> None:
    runs = shuffle(task(kind, sources=3), lambda *_: content(kind), POOL)
    whole = Records.concatenate(runs)
    assert whole.keys.tolist() == RECORDS.keys.tolist() * 3
    assert whole.values.tobytes() == RECORDS.values.tobytes() * 3


@pytest.mark.parametrize("kind", RecordFormat)
@pytest.mark.parametrize(
    ("damage", "records", "reason"),
    [
        (lambda data: data[:-1] + b"x", 3, "not a partition file: "),
        (lambda data: data[1:], 3, "not a partition file: "),
        (lambda data: data, 4, "records are missing"),
    ],
    ids=["end", "beginning", "missing"],
)
def test_damaged_bytes_lose_the_map_output(
    kind: RecordFormat, damage: Callable[[bytes], bytes], records: int, reason: str
) -> None:
    with pytest.raises(FetchFailedError) as caught:
        shuffle(task(kind, records=records), lambda *_: damage(content(kind)), POOL)
    assert (caught.value.task, caught.value.attempt, caught.value.unreachable) == (0, 2, False)
    assert caught.value.reason.startswith(reason)
