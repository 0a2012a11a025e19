"""Notices and commands are values."""

import dataclasses
from typing import get_args

import pytest

from common.errors import TaskError
from master.scheduling.messages import Command, Notice, TaskFailed, WorkerGone, WorkerNotice
from tests.master.scheduling.stage import MAP1, mapper

MESSAGES = (*get_args(Notice), *get_args(Command))


@pytest.mark.parametrize("message", MESSAGES)
def test_a_message_cannot_be_changed(message: type) -> None:
    assert dataclasses.is_dataclass(message)
    assert message.__dataclass_params__.frozen  # type: ignore[attr-defined]
    assert "__slots__" in vars(message)


def test_every_notice_about_a_worker_is_a_notice_and_no_command_is() -> None:
    assert set(get_args(WorkerNotice)) < set(get_args(Notice))
    assert not set(get_args(Notice)) & set(get_args(Command))


def test_messages_of_equal_content_are_equal() -> None:
    assert WorkerGone(mapper(1), True, "killed") == WorkerGone(mapper(1), True, "killed", left=False)
    error = TaskError("disk full")
    assert TaskFailed(MAP1, 1, error) == TaskFailed(MAP1, 1, error)
    assert TaskFailed(MAP1, 1, error) != TaskFailed(MAP1, 1, error, unreachable=True)
