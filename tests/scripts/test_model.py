"""The model of the protocol: nothing goes wrong in any state, and something does without each rule."""

import pytest

from scripts.model import OMISSIONS, check, missing

pytestmark = pytest.mark.skipif(bool(missing()), reason=f"{missing()} is not installed")


def test_nothing_goes_wrong_whatever_fault_happens_when() -> None:
    assert check() == ""


@pytest.mark.parametrize("omission", OMISSIONS)
def test_without_each_rule_something_goes_wrong(omission: str) -> None:
    assert "assertion violated" in check(omission)
