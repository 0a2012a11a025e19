"""The machine's limits."""

import pytest

from scripts.bench import limits
from scripts.bench.limits import iteration_limit_s


def test_the_limit_is_the_longer_of_arithmetic_and_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "operations_per_s", lambda threads: 1e9 * threads)
    monkeypatch.setattr(limits, "bytes_per_s", lambda size, threads: 1e8 * threads)
    assert iteration_limit_s(1_000_000, 2, 100, 8, threads=1) == pytest.approx(0.4)
    assert iteration_limit_s(1_000_000, 2, 100, 8, threads=2) == pytest.approx(0.2)
    assert iteration_limit_s(1_000_000, 2, 2, 8, threads=1) == pytest.approx(0.16)


def test_rates_are_measured() -> None:
    assert limits.operations_per_s(1) > 0
    assert limits.bytes_per_s(1 << 20, 2) > 0
