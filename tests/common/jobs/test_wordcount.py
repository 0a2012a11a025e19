"""What a word is, and that its count is exact."""

import numpy as np

from common.jobs.wordcount import WordCount
from common.model import Block
from tests.common.jobs.cases import at_once


def test_words_stand_between_white_space_in_the_order_of_the_lines() -> None:
    records = WordCount().map(Block(["a, b", "", " \t\u2028b\x1ca\r"], 7), {})
    assert records.keys.tolist() == ["a,", "b", "b", "a"]
    assert records.values.tolist() == [[1.0]] * 4


def test_counts_are_exact() -> None:
    assert WordCount().reduce("a", np.array([[2.0**53 - 3], [1.0], [1.0]])).tolist() == [[2.0**53 - 1]]


def test_case_and_form_make_different_words() -> None:
    assert at_once(WordCount(), {}, ["A a é e\u0301"]) == {w: [[1.0]] for w in ("A", "a", "é", "e\u0301")}
