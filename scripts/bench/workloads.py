"""What is measured: one row of WORKLOADS for each row of a table or point of a curve."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from scripts.bench.measure import THREADS

SAMPLE = "sample"  # as data: the 31 points that come with the project
LIMIT = "the machine's limit"
_IN_64 = ("sklearn-lloyd", "sklearn-elkan", "oneDAL")
_IN_32 = tuple(f"{name} float32" for name in _IN_64)
FIT_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "ours": (*_IN_64, "faiss", "spark", "spark-block", "dask-ml", LIMIT),
    "ours float32": (*_IN_32, "faiss", "", "", "", f"{LIMIT} float32"),
    "ours in Python": (*_IN_64, "", "", "", "", LIMIT),
    "ours in Python float32": (*_IN_32, "faiss", "", "", "", f"{LIMIT} float32"),
    "ours on spark": ("", "", "", "", "spark", "spark-block", "", LIMIT),
    "ours on dask": ("", "", "", "", "", "", "dask-ml", LIMIT),
}
"""Which libraries each of ours is compared with, in the columns of the table of fits; empty: with none."""

PANDAS, PANDAS_ARROW = "pandas.read_csv + scikit-learn", "the same with engine='pyarrow'"
PYTHON_STARTS, CALL = "starting Python + numpy + gRPC five times", "an empty gRPC call"
CSV_READER, CSV_WRITER = "pyarrow's CSV reader alone", "pyarrow's CSV writer"
CONSTANTS = {f"{m} × {r}, {n} iterations": (m, r, n) for m, r in ((24, 1), (12, 12)) for n in (5, 45)}
"""Mappers, reducers and iterations of the runs that tell what a call and a log line cost."""


@dataclass(frozen=True)
class Comparison:
    """A ratio of two competitors to report."""

    one: str
    other: str
    what: str = ""  # empty: "one ÷ other"
    of: str = ""  # the detail to compare; empty, or where there is none: the median time
    by: str = ""  # the detail that each is divided by; empty: none
    shared_by: int = 1  # the ratio is divided by it
    agree: bool = False  # both start from the same centroids: report how far their results differ


@dataclass(frozen=True)
class Workload:
    """One thing to measure."""

    name: str  # for --only and results.json
    group: str  # the workloads of a group share a table
    rows: int
    columns: int
    k: int
    title: str = "{size}"  # may hold {size} and the names of other fields
    comparisons: tuple[Comparison, ...] = ()  # of names in the table of competitors
    data: str = ""  # a kind, or SAMPLE, with the rows as they are; empty: as --data and --scale say
    file: str = "points.npy"  # or "points.csv"
    iterations: int = 0  # at most; 0: as --iterations says
    timed: str = "fit_s"  # of ours; or "later_iteration_s", or "command_s" with start-up
    mappers: int = THREADS
    reducers: int = 2
    options: tuple[str, ...] = ("--combine",)  # of ours
    starts: int = 1  # random ones, of which the best is kept; 1: all start from the same centroids

    @property
    def competitors(self) -> list[str]:
        """All that are compared, in the order in which they run."""
        return list(dict.fromkeys(name for each in self.comparisons for name in (each.one, each.other)))

    @property
    def heading(self) -> str:
        """The title with its fields filled in."""
        return self.title.format(size=f"{self.rows:,} × {self.columns}, K = {self.k}", **vars(self))

    @property
    def calls(self) -> int:
        """Calls of one iteration: Map, Reduce, and a fetch of each partition."""
        return self.mappers + self.reducers + self.mappers * self.reducers

    def chosen(self, kind: str, scale: float, iterations: int) -> "Workload":
        """Return this workload as the options of the benchmark have it."""
        name = f"{self.name}-{kind}" if self.group == "fit" else self.name
        rows = self.rows if self.data else max(round(self.rows * scale), 10 * self.k)
        limit = self.iterations or iterations
        return replace(self, name=name, data=self.data or kind, rows=rows, iterations=limit)


_SKLEARN = ("sklearn-lloyd", "sklearn-elkan")


def _fit(name: str, rows: int, columns: int, k: int) -> Workload:
    pairs = [(one, other) for one, others in FIT_COLUMNS.items() for other in others if other]
    from_one_start = {*_IN_64, *_IN_32, "faiss"}
    ratios = [
        Comparison(a, b, by="iterations" if b.startswith(LIMIT) else "", agree=b in from_one_start)
        for a, b in pairs
    ]
    labels = ("--combine", "--labels", "labels.txt")
    return Workload(name, "fit", rows, columns, k, "{size}", tuple(ratios), options=labels)


_BOTH = {"sklearn": "sklearn", "oneDAL": "sklearnex"}
USES: Mapping[str, Mapping[str, str]] = {
    "predict": _BOTH,
    "transform": {"sklearn": "sklearn"},
    "score": _BOTH,
}
"""What is asked of a model that one iteration has fitted, and who else is asked, each with its package.

oneDAL has no `transform` of its own.
"""


def _use(name: str, rows: int, columns: int, k: int) -> Workload:
    ratios = [
        Comparison(f"ours {method}{suffix}", f"{other} {method}{suffix}", f"{method}{suffix} ÷ {other}")
        for method, others in USES.items()
        for suffix in ("", " float32")
        for other in others
    ]
    return Workload(name, "use", rows, columns, k, "{size}", tuple(ratios), iterations=1)


def _growth(what: str, value: int, rows: int = 200_000, columns: int = 8, k: int = 64) -> Workload:
    """Return one point of a curve against scikit-learn."""
    name, ratio = f"curve-{what}-{value}", Comparison("ours", "sklearn-lloyd")
    return Workload(name, f"curve-{what}", rows, columns, k, _CURVE, (ratio,), iterations=10)


def _mappers(rows: int, columns: int, k: int) -> Workload:
    """Return one and two mappers of one thread each, on enough work that coordination matters little."""
    mappers = Comparison("ours, M = 2", "ours, M = 1")
    threads = Comparison("sklearn-lloyd, threads = 2", "sklearn-lloyd, threads = 1")
    name = f"curve-mappers-{columns}"
    return Workload(name, "scaling", rows, columns, k, _CURVE, (mappers, threads), iterations=10)


def _tasks(mappers: int, reducers: int) -> Workload:
    """Return an iteration with so little to compute that its coordination is what takes time."""
    name, title = f"curve-tasks-{mappers}x{reducers}", "M = {mappers}, R = {reducers}"
    workload = replace(
        _SMALL, name=name, group="curve-tasks", title=title, mappers=mappers, reducers=reducers
    )
    what = f"an iteration ÷ {CALL}, for each of its {workload.calls} calls"
    return replace(workload, comparisons=(Comparison("ours", CALL, what, shared_by=workload.calls),))


_CURVE = "{size}, {iterations} iterations"
_SMALL = Workload("", "small", 20_000, 2, 64, data="cloud", iterations=10, timed="later_iteration_s")
_BY_ITERATION = "the same, by iteration: ours ÷ {}"

_SIZES = {
    "1Mx2-k8": (1_000_000, 2, 8),
    "1Mx2-k100": (1_000_000, 2, 100),
    "1Mx4-k64": (1_000_000, 4, 64),
    "1Mx8-k32": (1_000_000, 8, 32),
    "1Mx16-k64": (1_000_000, 16, 64),
    "200kx128-k256": (200_000, 128, 256),
}

WORKLOADS = (
    *(_fit(f"fit-{name}", *size) for name, size in _SIZES.items()),
    *(_use(f"use-{name}", *size) for name, size in _SIZES.items()),
    Workload(
        *("n-init", "whole", 1_000_000, 2, 8),
        "{starts} random starts, {size}, all their fits",
        (
            *(Comparison("ours", name) for name in _SKLEARN),
            *(Comparison("ours", name, _BY_ITERATION.format(name), by="iterations") for name in _SKLEARN),
        ),
        starts=10,
    ),
    Workload(
        *("csv", "whole", 5_000_000, 8, 32),
        "CSV to centroids, {size}, {iterations} iterations, whole command",
        (
            *(Comparison("ours", name, agree=True) for name in (PANDAS, PANDAS_ARROW)),
            Comparison("ours", CSV_READER),
        ),
        file="points.csv",
        iterations=20,
        timed="command_s",
    ),
    Workload(
        *("points-mode", "whole", 1_000_000, 2, 8),
        "points mode, {size}, an iteration",
        (
            Comparison("text", "bytes of text", "text ÷ writing and reading the same bytes once"),
            Comparison("text", CSV_WRITER, f"text ÷ writing the table once by {CSV_WRITER}"),
            Comparison("arrow", "bytes of arrow", "arrow ÷ writing and reading the same bytes once"),
            Comparison("arrow", "text"),
        ),
        iterations=10,
        timed="later_iteration_s",
        options=(),
    ),
    Workload(
        *("tiny", "whole", 31, 2, 2),
        "31 points, K = 2, M = R = 2, whole command",
        (
            Comparison("ours", PYTHON_STARTS),
            Comparison("ours", CALL, f"an iteration ÷ {CALL}", of="later_iteration_s"),
        ),
        data=SAMPLE,
        iterations=20,
        timed="command_s",
        options=(),
    ),
    *(_growth("rows", n, rows=n, k=32) for n in (30_000, 100_000, 300_000, 1_000_000, 3_000_000)),
    *(_growth("columns", n, columns=n) for n in (1, 2, 4, 8, 16, 32, 64, 128)),
    *(_growth("k", n, k=n) for n in (2, 4, 8, 16, 32, 64, 128, 256)),
    _mappers(1_000_000, 16, 64),
    _mappers(200_000, 128, 256),
    *(_tasks(m, r) for m, r in ((1, 1), (2, 2), (4, 4), (8, 8), (16, 8), (32, 16), (64, 16))),
    replace(_SMALL, name="constants", comparisons=tuple(Comparison(name, CALL) for name in CONSTANTS)),
)


def workloads(kinds: tuple[str, ...], scale: float = 1.0, iterations: int = 30) -> dict[str, Workload]:
    """Return all workloads by name, in the order in which they run; the fits once for each kind of data."""
    kinds_of = {row: kinds if row.group == "fit" else kinds[:1] for row in WORKLOADS}
    chosen = [row.chosen(kind, scale, iterations) for row in WORKLOADS for kind in kinds_of[row]]
    return {row.name: row for row in chosen}
