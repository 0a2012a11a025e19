"""The command line from input to result, as a user sees it."""

from pathlib import Path

import numpy as np
import pyarrow.feather
import pytest

from common.events.catalogue.kmeans import (
    Centroid,
    Clusters,
    EmptyCluster,
    IterationFinished,
    Stopped,
)
from common.events.catalogue.run import InputUnderstood, IterationStarted, RunStarted, Unknown
from common.events.catalogue.tasks import SUCCESS, RpcCall, RpcResponse
from tests.inputs import save
from tests.moments import calm_environment
from tests.programs import (
    ROOT,
    SAMPLE,
    SAMPLE_CENTROIDS,
    centroids_of,
    environment_with_hook,
    options,
    run_here,
    run_master,
)
from tests.story import matching, story_of


def files_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def succeed(folder: Path, *arguments: object) -> str:
    result = run_master(folder, *arguments, env=calm_environment())
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout


def succeed_inline(folder: Path, *arguments: object) -> str:
    """Run where it does not matter what runs the tasks."""
    result = run_here(folder, *arguments, "--engine", "inline")
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout


def test_four_options_on_the_sample(tmp_path: Path) -> None:
    (tmp_path / "data" / "input").mkdir(parents=True)
    (tmp_path / "data" / "input" / "points.txt").write_bytes(SAMPLE.read_bytes())
    shown = succeed(tmp_path, "--mappers", 2, "--reducers", 2, "--k", 2, "--iters", 20)
    assert sorted(centroids_of(tmp_path).splitlines()) == SAMPLE_CENTROIDS.splitlines()
    assert shown.endswith(f"data/centroids.txt\n{centroids_of(tmp_path)}")
    for place in ("data/centroids.txt", "data/mappers", "data/reducers", "dump.txt"):
        assert f"\n  {place} " in shown
    assert files_in(tmp_path) == [
        "data/centroids.txt",
        "data/input/points.txt",
        "data/mappers/M1/.mapreduce",
        "data/mappers/M1/manifest.txt",
        "data/mappers/M1/map_output.txt",
        "data/mappers/M1/partition_1.txt",
        "data/mappers/M1/partition_2.txt",
        "data/mappers/M2/.mapreduce",
        "data/mappers/M2/manifest.txt",
        "data/mappers/M2/map_output.txt",
        "data/mappers/M2/partition_1.txt",
        "data/mappers/M2/partition_2.txt",
        "data/reducers/R1/.mapreduce",
        "data/reducers/R1/manifest.txt",
        "data/reducers/R1/output.txt",
        "data/reducers/R2/.mapreduce",
        "data/reducers/R2/manifest.txt",
        "data/reducers/R2/output.txt",
        "dump.txt",
    ]


def test_the_files_tell_the_last_iteration(tmp_path: Path) -> None:
    succeed(tmp_path, *options())
    data = tmp_path / "data"
    outputs = [(data / "reducers" / name / "output.txt").read_text().splitlines() for name in ("R1", "R2")]
    keyed = sorted(line for output in outputs for line in output)
    assert [line.split(",", 1)[1] for line in keyed] == centroids_of(tmp_path).splitlines()
    first = (data / "mappers" / "M1" / "map_output.txt").read_text().splitlines()
    points = [tuple(map(float, line.split(",")[1:])) for line in first]
    rows = [tuple(map(float, line.split(","))) for line in SAMPLE.read_text().splitlines()]
    assert points == rows[: len(points)]
    assert len(points) == 15


def test_dump_tells_the_whole_story(tmp_path: Path) -> None:
    succeed(tmp_path, *options())
    lines = (tmp_path / "dump.txt").read_text().splitlines()
    story = story_of(tmp_path)
    assert [entry.line() for entry in story.entries] == lines
    assert not story.of(Unknown)
    assert {entry.process for entry in story.entries} == {"master", "M1", "M2", "R1", "R2"}
    assert isinstance(story.entries[0].event, RunStarted)
    first_call = story.of(RpcCall, process="master", iteration=1)[0]
    initial = story.of(Centroid, iteration=0)
    assert [centroid.key for centroid in initial] == [0, 1]
    assert story.before(first_call).of(Centroid) == initial
    (stopped,) = story.of(Stopped, reason=matching("^converged: "))
    for iteration in range(1, stopped.iterations + 1):
        (begun,) = story.of(IterationStarted, iteration=iteration, of=20)
        (ended,) = story.of(IterationFinished, iteration=iteration)
        here = story.after(begun).before(ended)
        for worker, method in (("M1", "Map"), ("M2", "Map"), ("R1", "Reduce"), ("R2", "Reduce")):
            (call,) = story.of(RpcCall, iteration=iteration, to=worker, method=method)
            assert here.of(RpcCall, to=worker, method=method) == [call]
            (answer,) = here.of(RpcResponse, from_=worker, method=method)
            assert (answer.iteration, answer.stage, answer.status) == (iteration, call.stage, SUCCESS)
            assert answer.duration_ms > 0
        assert [centroid.key for centroid in here.of(Centroid, iteration=iteration)] == [0, 1]
    assert [sum(clusters.sizes) for clusters in story.of(Clusters)] == [31]
    assert story.of(RpcCall, process="R1", method="FetchPartition", to="M2")


def test_a_run_with_fewer_workers_leaves_nothing_of_the_earlier_one(tmp_path: Path) -> None:
    succeed(tmp_path, *options(m=4, r=3))
    succeed(tmp_path, *options(m=1, r=1))
    data = tmp_path / "data"
    assert [path.name for path in (data / "mappers").iterdir()] == ["M1"]
    assert files_in(data) == [
        "centroids.txt",
        "mappers/M1/.mapreduce",
        "mappers/M1/manifest.txt",
        "mappers/M1/map_output.txt",
        "mappers/M1/partition_1.txt",
        "reducers/R1/.mapreduce",
        "reducers/R1/manifest.txt",
        "reducers/R1/output.txt",
    ]


def test_keep_iterations(tmp_path: Path) -> None:
    succeed(tmp_path, *options(), "--tol", 0, "--keep-iterations")
    mapper = tmp_path / "data" / "mappers" / "M1"
    iterations = sorted(path.name for path in mapper.iterdir() if path.is_dir())
    assert iterations == [f"iteration_{i}" for i in range(1, len(iterations) + 1)]
    assert len(iterations) > 1
    assert (mapper / "iteration_1" / "partition_2.txt").exists()
    assert (tmp_path / "data" / "reducers" / "R2" / "iteration_1" / "output.txt").exists()


@pytest.mark.parametrize("engine", ["grpc", "inline"])
def test_labels_and_predict(tmp_path: Path, engine: str) -> None:
    blobs = ROOT / "data" / "input" / "blobs.csv"
    arguments = ["--engine", engine, "--labels", "labels.txt"]
    succeed(tmp_path, *options(m=3, k=5, input_path=blobs), *arguments)
    labels = np.loadtxt(tmp_path / "labels.txt", dtype=np.int64)
    centroids = np.loadtxt(tmp_path / "data" / "centroids.txt", delimiter=",")
    points = np.loadtxt(blobs, delimiter=",", skiprows=1)
    distances = ((points[:, None] - centroids[None]) ** 2).sum(axis=2)
    assert labels.tolist() == distances.argmin(axis=1).tolist()
    predict = [
        "--centroids",
        "data/centroids.txt",
        "--input",
        blobs,
        "--labels",
        "again.txt",
        "--engine",
        engine,
    ]
    shown = succeed(tmp_path, "predict", *predict)
    assert (tmp_path / "again.txt").read_bytes() == (tmp_path / "labels.txt").read_bytes()
    assert np.loadtxt(tmp_path / "data" / "centroids.txt", delimiter=",").tolist() == centroids.tolist()
    sizes = ", ".join(map(str, np.bincount(labels).tolist()))
    assert f"5000 rows labelled; cluster sizes {sizes}; inertia " in shown


def test_arrow_files(tmp_path: Path) -> None:
    """Workers' files are Arrow's; results are the same text."""
    succeed(tmp_path, *options(), "--labels", "labels.txt")
    text = centroids_of(tmp_path), (tmp_path / "labels.txt").read_bytes()
    succeed(tmp_path, *options(), "--labels", "labels.txt", "--intermediate", "arrow")
    assert (centroids_of(tmp_path), (tmp_path / "labels.txt").read_bytes()) == text
    assert files_in(tmp_path / "data") == [
        "centroids.txt",
        *(
            f"mappers/M{i}/{name}"
            for i in (1, 2)
            for name in (
                ".mapreduce",
                "manifest.txt",
                "map_output.arrow",
                "partition_1.arrow",
                "partition_2.arrow",
            )
        ),
        *(f"reducers/R{i}/{name}" for i in (1, 2) for name in (".mapreduce", "manifest.txt", "output.arrow")),
    ]
    table = pyarrow.feather.read_table(tmp_path / "data/mappers/M1/map_output.arrow")
    assert table.column_names == ["key", "x0", "x1"]
    assert [list(row.values())[1:] for row in table.to_pylist()] == [
        list(map(float, row)) for row in sample_rows()[: len(table)]
    ]


def test_given_start_columns_and_restarts(tmp_path: Path) -> None:
    (tmp_path / "start.csv").write_text("0,7\n9,1\n")
    (tmp_path / "named.csv").write_text(
        "id;y;x\n" + "".join(f"a{i};{y};{x}\n" for i, (x, y) in enumerate(sample_rows()))
    )
    arguments = options(input_path=tmp_path / "named.csv")
    succeed_inline(tmp_path, *arguments, "--columns", "x,y", "--init-centroids", "start.csv")
    assert centroids_of(tmp_path) == SAMPLE_CENTROIDS
    succeed_inline(tmp_path, *arguments, "--columns", "3,2", "--n-init", 3, "--init", "k-means++")
    assert sorted(centroids_of(tmp_path).splitlines()) == SAMPLE_CENTROIDS.splitlines()


def sample_rows() -> list[list[str]]:
    return [line.split(",") for line in SAMPLE.read_text().splitlines()]


def test_empty_clusters(tmp_path: Path) -> None:
    (tmp_path / "points.txt").write_text("0\n1\n10\n")
    (tmp_path / "start.txt").write_text("0\n100\n")
    arguments = [*options(input_path=tmp_path / "points.txt"), "--init-centroids", "start.txt"]
    shown = succeed_inline(tmp_path, *arguments)
    assert centroids_of(tmp_path) == "0.5\n10.0\n"
    assert "cluster 1 is empty; it takes row 3, the farthest from its centroid" in shown
    assert story_of(tmp_path).of(EmptyCluster, iteration=1, key=1, action="move", row=3)
    succeed_inline(tmp_path, *arguments, "--on-empty", "keep")
    assert centroids_of(tmp_path) == f"{11 / 3!r}\n100.0\n"


def test_npy_and_parquet_give_what_text_gives(tmp_path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    points = np.array(sample_rows(), np.float64)
    np.save(tmp_path / "points.npy", points)
    table = pyarrow.table({"x": points[:, 0], "y": points[:, 1]})
    pyarrow.parquet.write_table(table, tmp_path / "points.parquet", row_group_size=10)
    results = []
    for path in (SAMPLE, tmp_path / "points.npy", tmp_path / "points.parquet"):
        succeed_inline(tmp_path, *options(k=4, input_path=path))
        results.append(centroids_of(tmp_path))
    assert results[1:] == results[:1] * 2


@pytest.mark.parametrize(("suffix", "form"), [("csv", "text"), ("parquet", "arrow")])
def test_pandas_is_never_imported(tmp_path: Path, suffix: str, form: str) -> None:
    """pyarrow's usual conversions do so wherever pandas is installed: half a second a process."""
    save(tmp_path / f"points.{suffix}", np.random.default_rng(0).normal(size=(20_000, 3)))
    hook = "if event == 'import' and arguments[0] == 'pandas': os.abort()"
    arguments = (*options(n=2, input_path=tmp_path / f"points.{suffix}"), "--intermediate", form)
    result = run_master(tmp_path, *arguments, env=environment_with_hook(tmp_path, hook))
    assert (result.returncode, result.stderr) == (0, "")


def test_a_header_is_shown(tmp_path: Path) -> None:
    (tmp_path / "named.csv").write_text("x,y\n1,2\n3,4\n")
    shown = succeed_inline(tmp_path, *options(k=1, input_path=tmp_path / "named.csv"))
    assert "input: text, comma between fields; the first row is a header; columns x, y\n" in shown
    understood = InputUnderstood(
        file=str(tmp_path / "named.csv"), format="text", delimiter="comma", header=True, columns=("x", "y")
    )
    assert story_of(tmp_path).of(InputUnderstood) == [understood]
    assert "input: text, comma between fields; columns 1-2\n" in succeed_inline(tmp_path, *options(k=1))


def test_quiet_prints_nothing(tmp_path: Path) -> None:
    assert succeed(tmp_path, *options(), "--quiet") == ""


def test_help_says_unit_default_and_what_zero_means(tmp_path: Path) -> None:
    text = " ".join(succeed(tmp_path, "--help").split())
    assert "[default: 0.0001]" in text
    assert "0: stop when none moved at all" in text
    assert "--task-delay SECONDS" in text
    assert "predict" in text


def test_long_centroid_lists_are_cut_on_the_screen_only(tmp_path: Path) -> None:
    shown = succeed_inline(tmp_path, *options(k=12, n=1))
    assert "  ... the others are in dump.txt" in shown
    assert "centroid 11:" not in shown
    assert len(story_of(tmp_path).of(Centroid, iteration=1)) == 12


def test_one_million_points_pass_through_the_wire(tmp_path: Path) -> None:
    """No message may be larger than gRPC allows, in points mode, text files and all."""
    points = np.random.default_rng(0).normal(size=(1_000_000, 2))
    np.save(tmp_path / "points.npy", points)
    arguments = options(k=2, n=1, input_path=tmp_path / "points.npy")
    succeed(tmp_path, *arguments, "--quiet")
    pointwise = centroids_of(tmp_path)
    partitions = tmp_path.glob("data/mappers/M*/partition_*.txt")
    assert sum(path.read_bytes().count(b"\n") for path in partitions) == 1_000_000
    succeed(tmp_path, *arguments, "--quiet", "--combine")
    assert centroids_of(tmp_path) == pointwise
