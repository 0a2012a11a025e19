"""A task: the steps that it may take, and when it is given up."""

import pytest

from common.errors import (
    FetchFailedError,
    InputError,
    TaskError,
)
from master.scheduling.task import (
    MAX_FAILURES,
    MAX_LOSSES,
    TRANSITIONS,
    IllegalStepError,
    Run,
    Step,
    Task,
    TaskState,
)
from tests.master.scheduling.stage import (
    M1,
    M2,
    MAP1,
    MAP2,
    R1,
    output,
)


@pytest.mark.parametrize("state", TaskState)
@pytest.mark.parametrize("step", Step)
def test_a_task_takes_the_steps_of_the_table_and_no_other(state: TaskState, step: Step) -> None:
    task = Task(MAP1, state)
    if (state, step) in TRANSITIONS:
        task.take(step)
        assert task.state is TRANSITIONS[state, step]
    else:
        with pytest.raises(IllegalStepError, match=f"{state.name}: no {step.name} from there"):
            task.take(step)
        assert task.state is state


def test_a_task_is_given_up_for_an_error_that_is_not_its_own() -> None:
    error = InputError("line 3: 'x' is not a number")
    assert Task(MAP1, error=error).final_error is error
    assert Task(MAP1, TaskState.DONE, error=error).final_error is None
    assert Task(MAP1).final_error is None


@pytest.mark.parametrize("field", ["failures", "losses"])
def test_a_task_is_given_up_after_too_many_tries_once_no_attempt_runs(field: str) -> None:
    error = TaskError("disk full")
    most = {"failures": MAX_FAILURES, "losses": MAX_LOSSES}[field]
    task = Task(MAP1, error=error)
    setattr(task, field, most - 1)
    assert task.final_error is None
    setattr(task, field, most)
    assert task.final_error is error
    task.running[7] = Run(M1, (), 0.0)
    assert task.final_error is None


def test_a_run_was_given_the_outputs_of_its_sources_alone() -> None:
    run = Run(R1, (output(MAP1, 2, M1), output(MAP2, 1, M2)), 0.0)
    assert run.was_given(FetchFailedError(0, 2, False, "gone"))
    assert not run.was_given(FetchFailedError(0, 1, False, "gone"))
    assert not run.was_given(FetchFailedError(2, 1, False, "gone"))


def test_a_task_whose_output_is_lost_is_idle() -> None:
    task = Task(MAP1, TaskState.DONE, output=output(MAP1, 1, M1))
    task.lose_output()
    assert (task.state, task.output) == (TaskState.IDLE, None)
