"""A finished run keeps the rules; each fault that is planted in its files is found, by its rule alone."""

import re
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from common.errors import UsageError
from common.events.line import parse_line, read_dump
from master.teaching.verify import table
from tests.master.teaching.runs import Spoiled, broken, finished, nudged, verdicts
from tests.programs import options, run_here

FILES = "M·R partition files and M + R outputs"
ONCE = "each row is mapped once"
KEYS = "key = nearest centroid"
SUMS = "combined sum = fsum of the points"
PLACE = "partition = key % R"
SORTED = "partitions are sorted by key"
SAME = "partitions = map output"
MANIFESTS = "manifests have sizes and checksums"
MEANS = "output = fsum(column) / count"
RESULT = "centroids.txt is compiled from outputs"
CALLS = "every call is answered"


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finished(tmp_path_factory.mktemp("plain"))


@pytest.fixture(scope="module")
def combined(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finished(tmp_path_factory.mktemp("combined"), "--combine")


def a_row_twice(run: Spoiled) -> None:
    run.change("mappers/M1/map_output.txt", lambda lines: lines.append("0,0.4,7.2"))
    run.change("mappers/M1/partition_1.txt", lambda lines: lines.insert(0, "0,0.4,7.2"))


def a_row_missing(run: Spoiled) -> None:
    run.change("mappers/M1/map_output.txt", lambda lines: lines.remove("0,0.4,7.2"))
    run.change("mappers/M1/partition_1.txt", lambda lines: lines.remove("0,0.4,7.2"))


def a_changed_point(run: Spoiled) -> None:
    run.change("mappers/M1/map_output.txt", lambda lines: lines.__setitem__(0, "0,0.4,7.25"))
    run.change("mappers/M1/partition_1.txt", lambda lines: lines.__setitem__(0, "0,0.4,7.25"))


def a_wrong_key(run: Spoiled) -> None:
    run.change("mappers/M1/map_output.txt", lambda lines: lines.__setitem__(0, "1,0.4,7.2"))
    run.change("mappers/M1/partition_1.txt", lambda lines: lines.remove("0,0.4,7.2"))
    run.change("mappers/M1/partition_2.txt", lambda lines: lines.insert(0, "1,0.4,7.2"))


def an_unsorted_partition(run: Spoiled) -> None:
    run.change("mappers/M1/partition_1.txt", lambda lines: lines.insert(0, lines.pop()))


def a_record_in_the_wrong_partition(run: Spoiled) -> None:
    run.change("mappers/M1/partition_1.txt", lambda lines: lines.remove("0,0.4,7.2"))
    run.change("mappers/M1/partition_2.txt", lambda lines: lines.insert(0, "0,0.4,7.2"))


def an_extra_record(run: Spoiled) -> None:
    run.change("mappers/M2/partition_1.txt", lambda lines: lines.insert(0, "0,5.0,5.0"))


def a_lost_record(run: Spoiled) -> None:
    run.change("mappers/M2/partition_1.txt", lambda lines: lines.pop(0))


def a_wrong_sum(run: Spoiled) -> None:
    run.change("reducers/R2/output.txt", lambda lines: lines.__setitem__(0, nudged(lines[0])))
    run.change("centroids.txt", lambda lines: lines.__setitem__(1, nudged(lines[1])))


def a_key_without_output(run: Spoiled) -> None:
    run.change("reducers/R1/output.txt", lambda lines: lines.pop(0))


def an_output_without_members(run: Spoiled) -> None:
    run.change("reducers/R2/output.txt", lambda lines: lines.append("3,0.0,0.0"))


def an_output_of_another_reducer(run: Spoiled) -> None:
    moved = run.lines("reducers/R1/output.txt")[0]
    run.change("reducers/R1/output.txt", lambda lines: lines.pop(0))
    run.change("reducers/R2/output.txt", lambda lines: lines.insert(0, moved))


def a_missing_partition(run: Spoiled) -> None:
    (run.data / "mappers/M2/partition_2.txt").unlink()


def a_torn_partition(run: Spoiled) -> None:
    path = run.data / "mappers/M2/partition_2.txt"
    path.write_bytes(path.read_bytes()[:-3])


def a_partition_too_many(run: Spoiled) -> None:
    (run.data / "mappers/M2/partition_3.txt").write_text("")


def a_damaged_manifest(run: Spoiled) -> None:
    path = run.data / "mappers/M2/manifest.txt"
    path.write_text(re.sub("crc32=.", "crc32=x", path.read_text(), count=1))


def a_manifest_of_another_attempt(run: Spoiled) -> None:
    run.change(
        "reducers/R1/manifest.txt",
        lambda lines: lines.__setitem__(0, lines[0].replace("attempt=1", "attempt=2")),
    )


def a_manifest_that_says_more(run: Spoiled) -> None:
    run.change("mappers/M1/manifest.txt", lambda lines: lines.append("map_output.txt"))


def a_wrong_centroid(run: Spoiled) -> None:
    run.change("centroids.txt", lambda lines: lines.__setitem__(2, nudged(lines[2])))


def a_centroid_too_many(run: Spoiled) -> None:
    run.change("centroids.txt", lambda lines: lines.append("1.0,2.0"))


def no_result(run: Spoiled) -> None:
    (run.data / "centroids.txt").unlink()


def a_call_without_an_answer(run: Spoiled) -> None:
    path = run.folder / "dump.txt"
    lines = path.read_text().splitlines(keepends=True)
    wanted = " R1 event=rpc_response stage=1 "
    lines.remove(next(line for line in lines if wanted in line))
    path.write_text("".join(lines))


FAULTS: list[tuple[Callable[[Spoiled], None], set[str], str]] = [
    (a_row_twice, {ONCE}, "M1/map_output.txt, line 16: (0.4, 7.2) is there once too often"),
    (a_row_missing, {ONCE}, "M1/map_output.txt: row 1, (0.4, 7.2), is missing"),
    (a_changed_point, {ONCE}, "M1/map_output.txt, line 1: (0.4, 7.25) is no row of the split"),
    (a_wrong_key, {KEYS}, "map_output.txt, line 1: (0.4, 7.2) has key 1, its nearest centroid's is 0"),
    (an_unsorted_partition, {SORTED}, "M1/partition_1.txt, line 2: key 0 stands after key 2"),
    (a_record_in_the_wrong_partition, {PLACE}, "partition_2.txt, line 1: key 0 belongs to partition 1"),
    (an_extra_record, {SAME}, "M2/partition_1.txt, line 1: the record is not in the map output"),
    (a_lost_record, {SAME}, "M2/map_output.txt, line 2: the record is in no partition"),
    (a_wrong_sum, {MEANS}, "R2/output.txt, line 1: ("),
    (a_key_without_output, {MEANS}, "key 0 has members, but is in no output"),
    (an_output_without_members, {MEANS}, "R2/output.txt, line 2: key 3 has no member"),
    (an_output_of_another_reducer, {PLACE}, "R2/output.txt, line 1: key 0 belongs to partition 1"),
    (a_missing_partition, {FILES, SAME, MANIFESTS}, "M2/partition_2.txt: cannot be read: No such file"),
    (a_torn_partition, {FILES, SAME, MANIFESTS}, "M2/partition_2.txt: not a file of records: the last line"),
    (a_partition_too_many, {FILES}, "M2/partition_3.txt: no file of this run"),
    (a_damaged_manifest, {MANIFESTS}, "M2/manifest.txt: it should say map_output.txt size_bytes="),
    (a_manifest_of_another_attempt, {MANIFESTS}, "R1/manifest.txt: it should not say attempt=2 task=1"),
    (a_manifest_that_says_more, {MANIFESTS}, "M1/manifest.txt: it should not say map_output.txt"),
    (a_wrong_centroid, {RESULT}, "centroids.txt, line 3: "),
    (a_centroid_too_many, {RESULT}, "centroids.txt, line 4: 1.0,2.0, where the outputs have nothing"),
    (no_result, {RESULT}, "centroids.txt, line 1: cannot be read: No such file"),
    (a_call_without_an_answer, {CALLS}, "R1 called M"),
]


@pytest.mark.parametrize(("plant", "rules", "said"), FAULTS, ids=lambda value: getattr(value, "__name__", ""))
def test_a_planted_fault_is_found(
    plain: Path, tmp_path: Path, plant: Callable[[Spoiled], None], rules: set[str], said: str
) -> None:
    plant(Spoiled(plain, tmp_path))
    found = broken(tmp_path)
    assert found.keys() == rules
    assert any(said in fault for faults in found.values() for fault in faults), found


def _with_first_number(line: str, number: float) -> str:
    key, _, *rest = line.split(",")
    return ",".join([key, repr(number), *rest])


def a_wrong_combined_count(run: Spoiled) -> None:
    for name in ("map_output", "partition_1"):
        run.change(
            f"mappers/M1/{name}.txt", lambda lines: lines.__setitem__(0, _with_first_number(lines[0], 9))
        )


def a_wrong_combined_sum(run: Spoiled) -> None:
    for name in ("map_output", "partition_1"):
        run.change(f"mappers/M1/{name}.txt", lambda lines: lines.__setitem__(0, nudged(lines[0])))


def a_missing_combined_key(run: Spoiled) -> None:
    for name in ("map_output", "partition_1"):
        run.change(f"mappers/M1/{name}.txt", lambda lines: lines.pop(0))


def uncombined_records(run: Spoiled) -> None:
    for name in ("map_output", "partition_1", "partition_2"):
        run.change(
            f"mappers/M1/{name}.txt",
            lambda lines: lines.__setitem__(slice(None), [",".join(line.split(",")[:3]) for line in lines]),
        )


@pytest.mark.parametrize(
    ("plant", "rules", "said"),
    [
        (a_wrong_combined_count, {ONCE, KEYS}, "M1/map_output.txt, line 1: key 0 stands for 9 points, "),
        (a_wrong_combined_sum, {SUMS}, "M1/map_output.txt, line 1: the sum of column 2 is off by "),
        (a_missing_combined_key, {ONCE, KEYS}, "M1/map_output.txt: key 0 is missing"),
        (uncombined_records, {SUMS}, "M1/map_output.txt: its records have 2 numbers"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_fault_in_combined_records_is_found(
    combined: Path, tmp_path: Path, plant: Callable[[Spoiled], None], rules: set[str], said: str
) -> None:
    plant(Spoiled(combined, tmp_path))
    found = broken(tmp_path)
    assert found.keys() == rules
    assert any(said in fault for faults in found.values() for fault in faults), found


def test_a_worker_that_was_lost_owes_no_answer(plain: Path, tmp_path: Path) -> None:
    run = Spoiled(plain, tmp_path)
    a_call_without_an_answer(run)
    last = read_dump(tmp_path / "dump.txt")[-1].time.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    with (tmp_path / "dump.txt").open("a") as dump:
        dump.write(f'{last} master event=worker_lost worker=R1 reason="R1 ended" returns=True\n')
    assert broken(tmp_path) == {}


def test_nobody_waits_for_an_attempt_whose_task_another_one_has_done(plain: Path, tmp_path: Path) -> None:
    run = Spoiled(plain, tmp_path)
    dump = tmp_path / "dump.txt"
    answer = next(line for line in dump.read_text().splitlines() if " R1 event=rpc_response stage=1 " in line)
    a_call_without_an_answer(run)
    assert CALLS in broken(tmp_path)
    with dump.open("a") as file:
        file.write(answer.replace(" R1 ", " R2 ").replace("attempt=1", "attempt=2") + "\n")
    assert broken(tmp_path) == {}


def test_a_reducer_that_fetches_again_after_its_death_has_one_answer(plain: Path, tmp_path: Path) -> None:
    """The process that called first was killed before its answer came to the log."""
    shutil.copytree(plain, tmp_path, dirs_exist_ok=True)
    lines = (tmp_path / "dump.txt").read_text().splitlines()
    place, call = next(
        (place, line)
        for place, line in enumerate(lines)
        if " R1 " in line and "event=rpc_call" in line and "method=FetchPartition" in line
    )
    earlier = f"{parse_line(call).time - timedelta(milliseconds=1):%Y-%m-%dT%H:%M:%S.%fZ}"
    lost = f'{earlier} master event=worker_lost worker=R1 reason="R1 ended" returns=True'
    first = f"{earlier} {call.partition(' ')[2]}"
    (tmp_path / "dump.txt").write_text("\n".join([*lines[:place], first, lost, *lines[place:], ""]))
    assert broken(tmp_path) == {}


def test_the_table_has_a_line_for_each_rule_and_its_faults(plain: Path, tmp_path: Path) -> None:
    lines = list(table(verdicts(plain)))
    assert [line.split("  ")[0] for line in lines[1:-2]] == [
        FILES, ONCE, KEYS, PLACE, SORTED, SAME, MANIFESTS, MEANS, RESULT, CALLS,
    ]  # fmt: skip
    assert all(line.endswith("  OK") for line in lines[1:-2])
    assert lines[-1] == "all rules hold"
    run = Spoiled(plain, tmp_path)
    run.change("mappers/M1/map_output.txt", lambda lines: lines.clear())
    lines = list(table(verdicts(tmp_path)))
    place = next(i for i, line in enumerate(lines) if line.startswith(ONCE))
    assert lines[place].endswith("  15 faults")
    assert lines[place + 6] == "  ... and 10 more"
    assert lines[-1] == "2 of 10 rules are broken"


def test_exit_codes(plain: Path, tmp_path: Path) -> None:
    held = run_here(plain, "verify")
    assert (held.returncode, held.stderr) == (0, "")
    assert held.stdout.endswith("all rules hold\n")
    a_wrong_sum(Spoiled(plain, tmp_path))
    ended = run_here(tmp_path, "verify", "--data-dir", "data", "--dump", "dump.txt")
    assert (ended.returncode, ended.stderr) == (1, "")
    assert ended.stdout.endswith("1 of 10 rules are broken\n")


def test_nothing_to_verify(tmp_path: Path) -> None:
    def refusal() -> str:
        ended = run_here(tmp_path, "verify")
        assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (2, "", 1)
        return ended.stderr.removeprefix("Error: ")

    assert refusal() == "--data-dir data: there is no such folder\n"
    (tmp_path / "data").mkdir()
    assert refusal() == "--dump dump.txt: No such file or directory\n"
    (tmp_path / "dump.txt").write_text("no log\n")
    assert refusal() == "--dump dump.txt: it holds no run\n"
    (tmp_path / "points.txt").write_text("1,2\n3,4\n8,9\n")
    run = options(input_path=Path("points.txt"))
    assert run_here(tmp_path, *run, "--engine", "inline").returncode == 0
    assert refusal().startswith("the run in dump.txt used --engine inline, whose tasks write no files here")
    assert run_here(tmp_path, *run, "--engine", "inline", "--weights", 2).returncode == 0
    assert refusal() == "the run in dump.txt used --weights; verify and explain read runs without it\n"
    assert run_here(tmp_path, *run).returncode == 0
    whole = (tmp_path / "dump.txt").read_text()
    (tmp_path / "dump.txt").write_text(whole.replace("event=run_finished", "event=run_was"))
    assert refusal().startswith("the run in dump.txt has not ended well; ")
    (tmp_path / "dump.txt").write_text(whole)
    (tmp_path / "points.txt").write_text("1,2\n3,4\n")
    assert "it has 2 rows of 2 columns now, and had 3 rows of 2 columns in the run" in refusal()
    predict = ("--centroids", "data/centroids.txt", "--input", "points.txt", "--labels", "labels.txt")
    assert run_here(tmp_path, "predict", *predict).returncode == 0
    assert refusal() == "the run in dump.txt was one of predict; verify and explain need one of K-Means\n"


def test_workers_do_not_tell_of_the_run(plain: Path, tmp_path: Path) -> None:
    """What a worker's lines say of the run, of the master's calls and of other runs is not looked at."""
    run = Spoiled(plain, tmp_path)
    dump = tmp_path / "dump.txt"
    lines = dump.read_text().splitlines()
    lies = [
        line.replace(" master ", " M1 ", 1)
        for line in lines
        if "event=run_started" in line or ("event=rpc_call" in line and "method=Map" in line)
    ]
    late = [line.replace("attempt=1", "attempt=7").replace("stage=", "stage=9") for line in lies]
    dump.write_text("\n".join([*lines, *lies, *late, ""]))
    assert broken(run.folder) == {}
    ended = [line.replace(" master event=run_finished", " M1 event=run_finished") for line in lines]
    dump.write_text("\n".join([*ended, ""]))
    with pytest.raises(UsageError, match="has not ended well"):
        verdicts(tmp_path)
