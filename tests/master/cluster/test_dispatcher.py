"""Stages run on workers that serve in this process."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from common.errors import InputError, RunFailedError
from common.events.catalogue.tasks import LateAnswerDropped
from common.model import Records, Role, Stage
from master.cluster.calls import MapFiles
from master.cluster.dispatcher import Arrival
from master.scheduling.messages import Output, TaskId, TaskSucceeded, WorkerGone, WorkerId
from tests.master.cluster.pool import Pool, joined_pool, label_order


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[Pool]:
    with joined_pool(tmp_path) as found:
        found.dispatcher.await_workers(1, 1)
        yield found


def test_a_stage_without_reduce_tasks_has_its_map_outputs(pool: Pool) -> None:
    outputs = pool.dispatcher.run(label_order(splits=3))
    files = [output.content for output in outputs]
    assert [file.map_output.records for file in files if isinstance(file, MapFiles)] == [10, 10, 11]


def test_a_stage_with_reduce_tasks_has_their_outputs_bytes(pool: Pool) -> None:
    outputs = pool.dispatcher.run(label_order(partitions=2))
    assert [type(output.content) for output in outputs] == [Records, Records]


def test_an_answer_of_an_earlier_stage_is_dropped(pool: Pool) -> None:
    late = Output(TaskId(Role.MAPPER, 0), 1, pool.workers[Role.MAPPER], None)
    pool.inbox.put(Arrival(TaskSucceeded(late), stage=Stage(1, "label")))
    outputs = pool.dispatcher.run(label_order(sequence=2))
    assert all(isinstance(output.content, MapFiles) for output in outputs)
    assert pool.log.of(LateAnswerDropped) == [
        LateAnswerDropped(stage=1, job="label", task=1, attempt=1, role="mapper")
    ]


def test_an_error_of_the_user_ends_the_stage(pool: Pool) -> None:
    order = label_order()
    with pytest.raises(InputError):
        pool.dispatcher.run(
            replace(order, sources=[replace(source, size_bytes=1) for source in order.sources])
        )


def test_a_stage_without_workers_fails(pool: Pool) -> None:
    pool.membership.lose(pool.workers[Role.MAPPER], "it died", returns=False)
    with pytest.raises(RunFailedError, match=r"^map task 1 failed: no mapper is left; .*it died$"):
        pool.dispatcher.run(label_order())


def test_a_worker_that_does_not_start(pool: Pool) -> None:
    pool.inbox.put(Arrival(WorkerGone(WorkerId(Role.MAPPER, 2, 1), False, "no luck")))
    with pytest.raises(RunFailedError, match=r"^a worker did not start: no luck$"):
        pool.dispatcher.await_workers(2, 1)
