"""What is not ours stays as it is, whatever lies where a run writes, and whatever becomes of the run."""

import os
import re
import shutil
import signal
import stat
from pathlib import Path
from random import Random

import psutil
import pytest

from common.events.catalogue.run import Labels, Result, RunFailed, RunFinished
from common.events.catalogue.tasks import RpcCall
from common.store.files import open_folder, replacing
from common.store.names import is_file_name, is_folder_name
from tests.programs import (
    SAMPLE,
    BackgroundRun,
    JoinedWorker,
    centroids_of,
    environment_with_hook,
    make_certificates,
    options,
    run_here,
    run_master,
)
from tests.story import story_of

KINDS = ("file", "folder", "link")
INLINE = (*options(), "--engine", "inline", "--quiet")
OTHERS = {
    "manifest.txt": "theirs",
    "output.txt": "theirs",
    "iteration_1.jsonl": "theirs",
    ".iteration_1.jsonl.0123456789abcdef.tmp": "theirs",
    "task_2/map_output.txt": "theirs",
    ".cache/split_1_rows": "theirs",
    "thesis.txt": "theirs",
}
"""Another's folder, with names that we use, too."""


def make(folder: Path, contents: dict[str, str]) -> Path:
    for name, content in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    return folder


def facts(path: Path) -> tuple[object, ...]:
    """Return what must not change: kind, mode, owner, and content or target."""
    status = path.lstat()
    content: object = None
    if stat.S_ISLNK(status.st_mode):
        content = path.readlink()
    elif stat.S_ISREG(status.st_mode):
        content = path.read_bytes()
    return (status.st_mode, status.st_uid, status.st_gid, status.st_ino, content)


def everything(folder: Path) -> dict[Path, tuple[object, ...]]:
    found = [Path(top, name) for top, dirs, files in os.walk(folder) for name in [*dirs, *files]]
    return {path: facts(path) for path in found}


def refusal(folder: Path, *arguments: object) -> str:
    """Run; check that it is refused in one line and touches nothing; return the line."""
    before = everything(folder)
    result = run_here(folder, *arguments)
    assert (result.returncode, result.stdout, result.stderr.count("\n")) == (2, "", 1), result.stderr
    assert everything(folder) == before
    return result.stderr.removeprefix("Error: ").removesuffix("\n")


def ends_well(folder: Path, *arguments: object, env: dict[str, str] | None = None) -> None:
    result = run_master(folder, *arguments, env=env)
    assert (result.returncode, result.stderr) == (0, "")


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ended")
    ends_well(folder, *options(), "--quiet")
    return folder


@pytest.fixture
def earlier(tmp_path: Path, ended: Path) -> Path:
    """Return a folder with the results of an earlier run."""
    return shutil.copytree(ended, tmp_path, dirs_exist_ok=True)


@pytest.fixture(scope="module")
def certs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificates(tmp_path_factory.mktemp("certs"))


@pytest.mark.parametrize(
    ("others", "folder", "shown"),
    [
        (OTHERS, "others", "others"),
        ({"output.txt": "theirs"}, "others", "others"),
        ({".cache/x": "theirs"}, "others", "others"),
        ({".lock": "theirs"}, "others", "others"),
        ({".mapreduce": "", ".lock": "theirs"}, "others", "others/.lock"),
        (OTHERS, "link", "others"),
        (OTHERS, ".", "w"),
        ({".mapreduce": "", "output.txt": "ours", "task_1": "theirs"}, "others", "others/task_1"),
    ],
    ids=["many", "our_name", "folder", "lock", "marked_lock", "link", "current", "marked"],
)
def test_a_worker_does_not_take_a_folder_of_others(
    tmp_path: Path, certs: Path, others: dict[str, str], folder: str, shown: str
) -> None:
    where = tmp_path / "w"
    make(where if folder == "." else where / "others", others)
    (where / "link").symlink_to("others")
    before = everything(where)
    worker = JoinedWorker("mapper", "127.0.0.1:1", certs, tmp_path / "worker", "--folder", where / folder)
    with worker:
        code, said = worker.end()
    assert (code, said.count("\n")) == (2, 1)
    assert said.startswith(f"Error: {tmp_path / shown if shown == 'w' else where / shown} "), said
    assert everything(where) == before


@pytest.mark.parametrize("kind", ["missing", "empty", "link", "ours"])
def test_a_worker_takes_an_empty_folder_and_gives_it_back(tmp_path: Path, certs: Path, kind: str) -> None:
    where = tmp_path / "w"
    (where / "target").mkdir(parents=True)
    (where / "link").symlink_to("target")
    if kind == "ours":
        make(where / "target", {".mapreduce": "", ".output.txt.1-1-1.tmp": "ours", "notes.txt": "theirs"})
    folder = {"missing": "none", "link": "link"}.get(kind, "target")
    before = everything(where)
    before.pop(where / "target" / ".output.txt.1-1-1.tmp", None)
    worker = JoinedWorker("reducer", "127.0.0.1:1", certs, tmp_path / "worker", "--folder", where / folder)
    with worker:
        while "waiting" not in worker.log.read_text():
            assert worker.process.poll() is None
        assert (where / folder / ".mapreduce").exists()
        worker.process.terminate()
        assert worker.end()[0] == 128 + signal.SIGTERM
    assert everything(where) == before


def link(folder: Path, name: str, target: str) -> Path:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).symlink_to(folder / target)
    return folder / name


@pytest.mark.parametrize(
    "name", ["mappers/M1", "reducers/R2", "mappers", "reducers", "checkpoints", ".lock", "centroids.txt"]
)
def test_a_link_in_the_data_directory_is_named_and_not_followed(tmp_path: Path, name: str) -> None:
    make(tmp_path / "others", OTHERS)
    target = "others/thesis.txt" if name in (".lock", "centroids.txt") else "others"
    for to, *more in ([target], ["nowhere", *INLINE], [f"data/{name}", "--resume"]):
        planted = link(tmp_path, f"data/{name}", to)
        line = refusal(tmp_path, *options(), "--quiet", *more)
        assert line.startswith(f"data/{name} is a symbolic link, not a f"), line
        assert line.endswith("move it, or choose another --data-dir")
        planted.unlink()


@pytest.mark.parametrize("name", ["output.txt", "manifest.txt", ".cache", "task_3", "job_label", ".lock"])
def test_a_link_in_a_workers_folder_is_named_and_not_followed(earlier: Path, name: str) -> None:
    make(earlier / "others", OTHERS)
    where = earlier / "data" / "reducers" / "R1"
    (where / name).unlink(missing_ok=True)
    (where / name).symlink_to(earlier / "others" / (name if Path(name).suffix == ".txt" else ""))
    assert refusal(earlier, *options(), "--quiet").startswith(f"data/reducers/R1/{name} is a symbolic link")


@pytest.mark.parametrize("name", ["mappers/M1", "mappers/.M1.earlier", "reducers/R2", "checkpoints"])
@pytest.mark.parametrize("others", [OTHERS, {"output.txt": "theirs"}], ids=["many", "our_name"])
def test_a_folder_without_our_mark_is_left_alone(tmp_path: Path, name: str, others: dict[str, str]) -> None:
    make(tmp_path / "data" / name, others)
    line = refusal(tmp_path, *INLINE)
    assert line == (
        f"data/{name} holds files, but not our .mapreduce: another program, or an earlier version, has made "
        "it; move it, or choose another --data-dir"
    )


def test_what_is_no_folder_or_no_lock_of_ours(tmp_path: Path) -> None:
    for name in ("mappers", "reducers/R1", ".lock", "centroids.txt/x"):
        folder = make(tmp_path / name.replace("/", "_"), {f"data/{name}": "theirs"})
        assert refusal(folder, *INLINE).startswith(f"data/{name.removesuffix('/x')} is ")


def test_files_beside_ours_stay(tmp_path: Path) -> None:
    theirs = [
        "input/points.txt",
        "mappers/joined/output.txt",
        "mappers/M01/output.txt",
        "notes.txt",
        "x/.lock",
    ]
    make(tmp_path / "data", dict.fromkeys(theirs, "theirs"))
    ends_well(tmp_path, *options(m=3), "--keep-iterations", "--quiet")
    (tmp_path / "data" / "mappers" / "M3" / "notes.txt").write_text("theirs")
    (tmp_path / "data" / "mappers" / "M1" / ".map_output.txt.swp").write_text("theirs")
    before = {path: facts(path) for path in tmp_path.rglob("*") if path.is_file()}
    before = {path: fact for path, fact in before.items() if fact[-1] == b"theirs"}
    assert len(before) == len(theirs) + 2
    (tmp_path / "bad.txt").write_text("1,2\n3,nan\n")
    assert run_master(tmp_path, *options(), "--input", "bad.txt", "--quiet").returncode == 2
    ends_well(tmp_path, *options(), "--quiet")
    assert {path: facts(path) for path in before} == before
    names = {path.name for path in (tmp_path / "data" / "mappers").iterdir()}
    assert names == {"joined", "M01", "M1", "M2", "M3"}
    assert sorted(path.name for path in (tmp_path / "data" / "mappers" / "M3").iterdir()) == [
        ".mapreduce",
        "notes.txt",
    ]


def test_theirs_in_a_folder_that_is_moved_as_a_whole_is_named(tmp_path: Path) -> None:
    ends_well(tmp_path, *options(), "--keep-iterations", "--quiet")
    make(tmp_path / "data" / "mappers" / "M2", {"iteration_1/notes.txt": "theirs"})
    line = refusal(tmp_path, *options(), "--quiet")
    assert line == "data/mappers/M2/iteration_1/notes.txt is in a folder of this program; move it away"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder where a run has ended well, with other names for some of its files."""
    folder = tmp_path_factory.mktemp("finished")
    (folder / "points.txt").write_bytes(SAMPLE.read_bytes())
    (folder / "hard_points.txt").hardlink_to(folder / "points.txt")
    ends_well(folder, *options(input_path=Path("points.txt")), "--quiet")
    (folder / "hard_centroids.txt").hardlink_to(folder / "data" / "centroids.txt")
    (folder / "inner").symlink_to("data/reducers/R1")
    (folder / "out").symlink_to("dump.txt")
    (folder / "lost").symlink_to("nowhere/labels.txt")
    (folder / "again").symlink_to("data")
    make(folder / "data" / "checkpoints", {".mapreduce": ""})
    make(folder / "worker", {".mapreduce": ""})
    return folder


@pytest.mark.parametrize(
    ("path", "what"),
    [
        ("data/.lock", "is the lock of a run; choose another file"),
        ("data/.mapreduce", "is the mark of a folder; choose another file"),
        ("data/../again/.lock", "is the lock of a run; choose another file"),
        ("data/checkpoints/iteration_9.jsonl", "is among the checkpoints; choose another file"),
        ("data/checkpoints/mine.txt", "is among the checkpoints; choose another file"),
        ("data/mappers/M1/map_output.txt", "is in a worker's folder; choose another file"),
        ("data/mappers/labels.txt", "is in a worker's folder; choose another file"),
        ("inner/new.txt", "is in a worker's folder; choose another file"),
        ("worker/output.txt", "is in a worker's folder; choose another file"),
        ("data/centroids.txt", "would overwrite the result"),
        ("again/centroids.txt", "would overwrite the result"),
        ("data/counts.csv", "would overwrite the result"),
        ("hard_centroids.txt", "would overwrite the result"),
        ("points.txt", "would overwrite the input"),
        ("hard_points.txt", "would overwrite the input"),
        ("lost", ": there is no folder {}/nowhere"),
        ("again", ": a folder, not a file"),
    ],
)
@pytest.mark.parametrize("option", ["--labels", "--dump"])
def test_no_output_may_be_another_file_of_the_run(finished: Path, option: str, path: str, what: str) -> None:
    arguments = (*options(input_path=Path("points.txt")), "--engine", "inline", "--quiet")
    line = refusal(finished, *arguments, option, path)
    assert line == f"{option} {path} {what.format(finished)}".replace(" :", ":")


@pytest.mark.parametrize("given", ["dump.txt", "out", "data/../dump.txt"])
def test_labels_and_dump_are_two_files(finished: Path, given: str) -> None:
    arguments = (*options(input_path=Path("points.txt")), "--engine", "inline", "--quiet")
    line = refusal(finished, *arguments, "--labels", given)
    assert line == f"--labels {given} would overwrite what --dump writes"


@pytest.mark.parametrize(
    ("path", "what"),
    [
        ("data/centroids.txt", "the result"),
        ("hard_centroids.txt", "the result"),
        ("inner/output.txt", "in a worker's folder"),
    ],
)
def test_no_input_may_be_a_file_of_the_run(finished: Path, path: str, what: str) -> None:
    line = refusal(finished, *options(input_path=Path(path)), "--quiet")
    assert line == f"--input {path} is {what}, which the run deletes; copy it to another place first"


def test_a_data_directory_in_a_workers_folder(finished: Path) -> None:
    for path in ("data/mappers/M1", "inner/x", "data/checkpoints", "worker"):
        line = refusal(finished, *INLINE, "--data-dir", path)
        assert line == f"--data-dir {path} is in a worker's folder; choose another"
    for option in ("--dump", "--labels"):
        line = refusal(finished, *INLINE, "--data-dir", "new/data", option, "new")
        assert line == f"{option} new is where the data directory is; choose another file"


@pytest.mark.parametrize("option", ["--labels", "--dump", "--data-dir"])
def test_a_name_that_is_too_long_is_refused_at_once(tmp_path: Path, option: str) -> None:
    for name in ["x" * 300, *([] if option == "--data-dir" else ["x" * 250])]:
        line = refusal(tmp_path, *INLINE, option, name)
        assert line.startswith(f"{option} {name}: ")
        assert line.endswith(" too long")


def test_two_runs_do_not_share_a_dump(tmp_path: Path) -> None:
    (tmp_path / "link.txt").symlink_to("dump.txt")
    with BackgroundRun(tmp_path, *options(), "--task-delay", 1) as run:
        run.wait_for(RpcCall, method="Map", job="describe")
        master = psutil.Process(run.process.pid)
        master.suspend()  # it is still there however long the others take to start
        for path in ("dump.txt", "link.txt"):
            for more in ([], ["--labels", "labels.txt"]):
                arguments = (*INLINE, "--data-dir", "other", "--dump", path, *more)
                result = run_here(tmp_path, *arguments)
                reason = "is in use by another run; wait for it, or choose another --dump"
                assert (result.returncode, result.stderr) == (2, f"Error: --dump {path} {reason}\n")
                assert not (tmp_path / "other").exists()
        master.resume()
        assert run.end() == (0, "")
    assert len(story_of(tmp_path).of(RunFinished)) == 1
    ends_well(tmp_path, *INLINE)


def test_a_run_removes_no_temporary_file_of_another(tmp_path: Path) -> None:
    out = make(tmp_path / "out", {".big.0123456789abcdef.tmp": "dead", ".big.labels.tmp": "theirs"})
    with (
        open_folder(out) as folder,
        replacing("big.labels", folder) as file,
        replacing("big", folder) as other,
    ):
        for name in ("big", "big.labels", ".big", "b*"):
            ends_well(tmp_path, *INLINE, "--labels", out / name)
        file.write(b"first")
        other.write(b"second")
    assert {path.name for path in out.iterdir()} == {".big", ".big.labels.tmp", "b*", "big", "big.labels"}
    assert (out / "big.labels").read_text() == "first"


@pytest.mark.parametrize("engine", ["inline", "grpc"])
def test_centroids_are_kept_though_labels_cannot_be_written(tmp_path: Path, engine: str) -> None:
    """Neither the new nor the earlier ones are ever gone."""
    arguments = (*options(k=3), "--labels", "labels.txt", "--engine", engine, "--quiet")
    ends_well(tmp_path, *arguments)
    labels, earlier = (tmp_path / "labels.txt").read_bytes(), centroids_of(tmp_path)
    hook = "if event == 'open' and '.labels.txt' in str(arguments[0]): raise OSError(28, 'No space left')"
    env = environment_with_hook(tmp_path, hook)
    result = run_master(tmp_path, *arguments, "--seed", 7, env=env)
    assert (result.returncode, result.stderr) == (
        1,
        "Error: --labels labels.txt: No space left; free some space, or choose another folder\n",
    )
    assert (tmp_path / "labels.txt").read_bytes() == labels
    story = story_of(tmp_path)
    assert (len(story.of(Result)), len(story.of(Labels)), len(story.of(RunFailed))) == (1, 0, 1)
    found = centroids_of(tmp_path)
    ends_well(tmp_path, *arguments, "--seed", 7, "--resume")
    assert centroids_of(tmp_path) == found != earlier


@pytest.mark.parametrize("moment", ["/.output.", "/.map_output.", ".centroids.txt"])
def test_earlier_centroids_outlive_a_run_that_fails(earlier: Path, moment: str) -> None:
    before = facts(earlier / "data" / "centroids.txt")
    hook = f"if event == 'open' and {moment!r} in str(arguments[0]): raise OSError(28, 'No space left')"
    result = run_master(earlier, *options(), "--quiet", env=environment_with_hook(earlier, hook))
    assert (result.returncode, result.stderr.count("\n")) == (1, 1)
    assert facts(earlier / "data" / "centroids.txt") == before


class Planter:
    """Puts what is not ours, of every kind, in and around the folders of a run."""

    names = (
        *(
            "M1",
            "R1",
            "M3",
            ".M1.earlier",
            "mappers",
            "checkpoints",
            "input",
            "notes.txt",
            ".notes.txt.1-1-1.tmp",
        ),
        *(
            "output.txt",
            "manifest.txt",
            ".cache",
            "task_2",
            "job_x",
            "iteration_2",
            "iteration_2.jsonl",
            ".tmp",
        ),
        *(
            ".output.txt.1-1-1.tmp",
            ".centroids.txt.0123456789abcdef",
            ".labels.txt.tmp",
            ".lock",
            "centroids.txt",
        ),
    )
    places = (
        *(".", "out", "data", "data", "data/mappers", "data/mappers/M1", "data/mappers/M2", "data/reducers"),
        *("data/reducers/R1", "data/reducers/R1/task_2", "data/checkpoints", "data/mappers/others", "others"),
    )

    def __init__(self, folder: Path, rng: Random) -> None:
        self.folder, self.rng = folder, rng
        self.planted: dict[Path, tuple[object, ...]] = {}

    def plant(self, number: int) -> None:
        for _ in range(number):
            path = self.folder / self.rng.choice(self.places) / self.rng.choice(self.names)
            if path.parent.is_dir() and path.parent.resolve() == path.parent and not os.path.lexists(path):
                self._plant(path)

    def _plant(self, path: Path) -> None:
        """Make it, unless that would be ours by its name and its place."""
        is_result = path == self.folder / "data" / "centroids.txt"
        is_in_marked = any((parent / ".mapreduce").exists() for parent in path.parents)
        ours = is_result or (is_in_marked and (is_file_name(path.name) or is_folder_name(path.name)))
        other = "file" if is_folder_name(path.name) else "folder"
        kind = self.rng.choice(["link", other] if ours else KINDS)
        if path == self.folder / "data" / "checkpoints":  # as a file it costs what is to be resumed
            kind = "link"
        if kind == "link":
            targets = [
                "nowhere",
                str(path),
                "/",
                str(self.folder / "others"),
                str(self.folder / "others" / "a"),
            ]
            path.symlink_to(self.rng.choice(targets))
        elif kind == "folder":
            path.mkdir()
            (path / self.rng.choice(self.names)).write_text("theirs")
        else:
            path.write_text("theirs")
        for each in [path, *(path.iterdir() if kind == "folder" else ())]:
            self._disguise(each)
            self.planted[each] = facts(each)

    def _disguise(self, path: Path) -> None:
        if not path.is_symlink():
            path.chmod(self.rng.choice([0o700, 0o644, 0o777, 0o600]) | (0o400 if path.is_file() else 0o700))
        if os.geteuid() == 0 and self.rng.random() < 0.4:
            os.chown(path, 12345, 12345, follow_symlinks=False)

    def clear_the_way(self, line: str) -> None:
        """Move away what an error line names, as a person would."""
        found = re.match(r"Error: (data\S*) (is|holds) ", line)
        assert found, line
        path = self.folder / found[1]
        assert path in self.planted or any(path in each.parents for each in self.planted), line
        self.check()
        for each in [each for each in self.planted if path in (each, *each.parents)]:
            del self.planted[each]
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()

    def check(self) -> None:
        for path, fact in self.planted.items():
            assert os.path.lexists(path), path
            assert facts(path) == fact, path


@pytest.mark.parametrize("seed", range(2))
def test_whatever_lies_around_stays_as_it_is(tmp_path: Path, seed: int) -> None:
    """Runs that end well, that are refused, that fail, are killed and resumed, among others' files."""
    rng = Random(seed)
    for name in ("run/others", "run/out", "run/data"):
        (tmp_path / name).mkdir(parents=True)
    folder = tmp_path / "run"
    make(folder, {"others/a": "theirs", "bad.txt": "1,2\n3,nan\n"})
    planter = Planter(folder, rng)
    planter.planted = everything(folder / "others")
    fails, kills = "raise OSError(28, 'No space left')", "os.kill(os.getpid(), 9)"
    hooks = {}
    for name, action in {"fails": fails, "killed": kills}.items():
        (tmp_path / name).mkdir()
        moment = "event == 'open' and '.centroids.txt.' in str(arguments[0]) and 'master' in sys.orig_argv"
        hooks[name] = environment_with_hook(tmp_path / name, f"if {moment}: {action}")
    usual = (*options(), "--labels", "out/labels.txt", "--quiet")
    commands: list[tuple[tuple[object, ...], dict[str, str] | None, int]] = [
        ((*usual, "--keep-iterations"), None, 0),
        ((*usual, "--input", "bad.txt"), None, 2),
        ((*usual, "--engine", "inline"), hooks["fails"], 1),
        ((*usual, "--engine", "inline"), hooks["killed"], -9),
        ((*usual, "--resume"), None, 0),
    ]
    for arguments, env, code in commands:
        planter.plant(6)
        while True:
            result = run_master(folder, *arguments, env=env)
            planter.check()
            if result.returncode == code:
                break
            assert (result.returncode, result.stderr.count("\n")) == (2, 1), result.stderr
            planter.clear_the_way(result.stderr)
    assert (folder / "out" / "labels.txt").exists()
