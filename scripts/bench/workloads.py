"""What is measured, by name."""

from collections.abc import Callable, Iterator
from functools import partial

from scripts.bench import curves, whole
from scripts.bench.fit import Size, run_fit
from scripts.bench.outcome import Bench, Outcome

FITS = {
    "fit-1Mx2-k8": Size(1_000_000, 2, 8),
    "fit-1Mx2-k100": Size(1_000_000, 2, 100),
    "fit-1Mx4-k64": Size(1_000_000, 4, 64),
    "fit-1Mx8-k64": Size(1_000_000, 8, 64),
    "fit-1Mx16-k64": Size(1_000_000, 16, 64),
    "fit-200kx128-k256": Size(200_000, 128, 256),
}

Workload = Callable[[Bench], Outcome]


def workloads(kinds: tuple[str, ...]) -> dict[str, Workload]:
    """Return all workloads by name, in the order in which they run."""
    return dict(_workloads(kinds))


def _workloads(kinds: tuple[str, ...]) -> Iterator[tuple[str, Workload]]:
    for name, size in FITS.items():
        for kind in kinds:
            full = f"{name}-{kind}"
            yield full, partial(run_fit, name=full, size=size, kind=kind)
    yield "n-init", curves.run_n_init
    yield "csv", whole.run_csv
    yield "points-mode", whole.run_points_mode
    yield "tiny", whole.run_tiny
    for what, (_, values) in curves.GROWTH.items():
        for value in values:
            yield f"curve-{what}-{value}", partial(curves.run_growth, what=what, value=value)
    for size in curves.MAPPERS:
        yield f"curve-mappers-{size.columns}", partial(curves.run_mappers, size=size)
    for mappers, reducers in curves.TASKS:
        yield (
            f"curve-tasks-{mappers}x{reducers}",
            partial(curves.run_tasks, mappers=mappers, reducers=reducers),
        )
    yield "constants", curves.run_constants
