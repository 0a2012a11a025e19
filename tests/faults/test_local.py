"""On one machine nobody else gets into a run, and nothing that lies around becomes part of it."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from common.events.catalogue.tasks import RpcCall
from common.events.catalogue.workers import AwaitingWorkers, WorkerJoined, WorkerStarted
from common.rpc.address import SOCKET
from tests.moments import Gate, opens
from tests.programs import (
    PATIENCE_S,
    ROOT,
    SAMPLE,
    SAMPLE_CENTROIDS,
    BackgroundRun,
    centroids_of,
    environment,
    environment_with_hook,
    options,
    run_master,
    worker_processes,
)

NOBODY = 65534
AS_ANOTHER = """
import os, socket, sys
folder, data, pids = sys.argv[1], sys.argv[2], sys.argv[3:]
os.setgroups([]); os.setgid(65534); os.setuid(65534)
def tried(what):
    try:
        return f"could: {what()!r}"
    except OSError:
        return "could not"
def connect(name):
    with socket.socket(socket.AF_UNIX) as other:
        other.connect(f"{folder}/{name}")
names = ["master", *(f"{role}-{pid}" for role in ("mapper", "reducer") for pid in pids)]
print(tried(lambda: os.listdir(folder)), *(tried(lambda: connect(name)) for name in names), sep="\\n")
print(tried(lambda: open(f"{folder}/stranger", "w")), tried(lambda: os.rmdir(folder)), sep="\\n")
print(*(tried(lambda: open(f"/proc/{pid}/environ").read()) for pid in pids), sep="\\n")
"""


@pytest.fixture
def held(tmp_path: Path) -> Iterator[BackgroundRun]:
    """A run that stands still in a map task, with all its workers."""
    gate = Gate(tmp_path, opens(".map_output"))
    with BackgroundRun(tmp_path, *options(), env=environment_with_hook(tmp_path, gate.hook)) as run:
        gate.wait()
        yield run
        gate.open()
        assert run.end() == (0, "")
        assert centroids_of(tmp_path) == SAMPLE_CENTROIDS


def processes_of(run: BackgroundRun) -> list[psutil.Process]:
    master = psutil.Process(run.process.pid)
    workers = worker_processes(master)
    assert len(workers) == 4
    return [master, *workers]


def socket_folder(run: BackgroundRun) -> Path:
    (folder,) = {Path(event.address.removeprefix(SOCKET)).parent for event in run.story().of(WorkerJoined)}
    return folder


def test_a_run_has_no_port(held: BackgroundRun) -> None:
    used = [process.net_connections("inet") for process in processes_of(held)]
    assert used == [[], [], [], [], []]
    assert len(list(socket_folder(held).iterdir())) == 5


def test_no_token_can_be_seen(held: BackgroundRun) -> None:
    for process in processes_of(held):
        shown = " ".join([*process.cmdline(), *process.environ().values()])
        assert not any(len(word) >= 64 and word.isalnum() for word in shown.replace("=", " ").split())


@pytest.mark.skipif(os.getuid() != 0, reason="needs root, to become somebody else")
def test_another_user_gets_nowhere(held: BackgroundRun) -> None:
    pids = [str(process.pid) for process in processes_of(held)]
    arguments = [str(socket_folder(held)), str(held.folder), *pids]
    tried = subprocess.run([sys.executable, "-c", AS_ANOTHER, *arguments], capture_output=True, text=True)
    assert tried.stderr == ""
    assert len(tried.stdout.splitlines()) > 15
    assert set(tried.stdout.splitlines()) == {"could not"}


def test_the_sockets_are_gone_after_the_run(tmp_path: Path) -> None:
    with BackgroundRun(tmp_path, *options()) as run:
        assert run.end() == (0, "")
    assert not socket_folder(run).exists()


def test_the_sockets_are_gone_after_the_master_was_killed(tmp_path: Path) -> None:
    gate = Gate(tmp_path, opens(".map_output"))
    with BackgroundRun(tmp_path, *options(), env=environment_with_hook(tmp_path, gate.hook)) as run:
        gate.wait()
        folder, _ = socket_folder(run), processes_of(run)
        run.kill()
    assert not folder.exists()


def test_workers_from_other_terminals_join_as_the_master_says(tmp_path: Path) -> None:
    with ExitStack() as stack:
        run = stack.enter_context(BackgroundRun(tmp_path, *options(), "--workers", "remote"))
        address = run.wait_for(AwaitingWorkers).address
        workers = [
            subprocess.Popen(
                [sys.executable, "-m", role, "--join", address, "--folder", tmp_path / f"{role}{number}"],
                env=environment(),
                cwd=tmp_path,
                stderr=subprocess.PIPE,
                text=True,
            )
            for role in ("mapper", "reducer")
            for number in (1, 2)
        ]
        assert run.end() == (0, "")
        for worker in workers:
            said = worker.communicate(timeout=PATIENCE_S)[1]
            assert (worker.returncode, said.startswith(f"joined {address} as ")) == (0, True)
    assert centroids_of(tmp_path) == SAMPLE_CENTROIDS
    assert run.story().of(WorkerStarted) == []


def test_a_socket_of_a_run_that_is_over(tmp_path: Path) -> None:
    arguments = [sys.executable, "-m", "mapper", "--join", f"unix:{tmp_path}/master"]
    ended = subprocess.run(arguments, cwd=tmp_path, env=environment(), capture_output=True, text=True)
    assert ended.returncode == 2
    assert ended.stderr == (
        f"Error: --join unix:{tmp_path}/master: there is no such socket; the run may be over\n"
    )


POISONED = (
    "abc argparse array asyncio base64 click codecs collections common concurrent contextlib csv ctypes "
    "dataclasses datetime encodings enum grpc hashlib json logging mapper math multiprocessing numba "
    "numpy pathlib pickle protos psutil pyarrow queue random reducer rich secrets select selectors shutil "
    "signal sitecustomize socket ssl stat string struct subprocess tempfile threading time traceback "
    "typing usercustomize uuid zlib "
)
"""Modules that a run needs, or that Python looks for by itself."""
ESTIMATOR = """
import os
from master.estimator import KMeans
os.chdir({folder!r})
model = KMeans(2, engine="grpc", random_state=0).fit([[0.0, 1.0], [0.0, 3.0], [8.0, 1.0], [8.0, 3.0]])
assert sorted(model.cluster_centers_.tolist()) == [[0.0, 2.0], [8.0, 2.0]], model.cluster_centers_
"""


def poison(folder: Path, names: Iterable[str]) -> None:
    """Fill a folder with modules and packages that say so when they are imported."""
    folder.mkdir()
    for number, name in enumerate(sorted(names)):
        path = folder / f"{name}.py"
        if number % 2:
            path = folder / name / "__init__.py"
            path.parent.mkdir()
        path.write_text(f"open({str(folder.parent / 'imported')!r}, 'a').write('{name}\\n')\n")


def loaded_before_any_program(folder: Path) -> set[str]:
    """Return what `python -m` imports before the program that it runs, from the working directory first."""
    (folder / "empty.py").write_text("import sys; print(*sys.modules)")
    python = [sys.executable, "-m", "empty"]
    return set(subprocess.run(python, cwd=folder, capture_output=True, text=True, check=True).stdout.split())


def imported(folder: Path) -> str:
    found = folder.parent / "imported"
    return found.read_text() if found.exists() else ""


@pytest.mark.parametrize("python", [[], ["-P"]], ids=["python", "python -P"])
def test_nothing_is_imported_from_the_working_directory(tmp_path: Path, python: list[str]) -> None:
    folder = tmp_path / "poisoned"
    names = set(POISONED.split()) - (set() if python else loaded_before_any_program(tmp_path))
    assert len(names) > 40
    poison(folder, names)
    ended = subprocess.run(
        [sys.executable, *python, "-m", "master", *options(), "--quiet"],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert imported(folder) == ""
    assert (ended.returncode, ended.stderr) == (0, "")
    assert centroids_of(folder) == SAMPLE_CENTROIDS


def test_the_workers_of_an_estimator_import_nothing_from_there(tmp_path: Path) -> None:
    folder = tmp_path / "poisoned"
    poison(folder, POISONED.split())
    program = tmp_path / "program.py"
    program.write_text(ESTIMATOR.format(folder=str(folder)))
    ended = subprocess.run(
        [sys.executable, program], env=environment(), capture_output=True, text=True, timeout=PATIENCE_S
    )
    assert imported(folder) == ""
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.parametrize("role", ["mapper", "reducer"])
def test_a_worker_that_a_person_starts_imports_nothing_from_there(tmp_path: Path, role: str) -> None:
    folder = tmp_path / "poisoned"
    poison(folder, set(POISONED.split()) - {role} - loaded_before_any_program(tmp_path))
    ended = subprocess.run(
        [sys.executable, "-m", role, "--join", "unix:/nowhere"],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert imported(folder) == ""
    assert ended.returncode == 2
    assert "there is no such socket" in ended.stderr


@pytest.mark.parametrize(
    "path", [":{root}", "{root}:", "{root}:.", "{root}:{here}", ":{root}:/proc/self/cwd"]
)
def test_a_python_path_that_leads_to_the_working_directory_does_not_help(tmp_path: Path, path: str) -> None:
    folder = tmp_path / "here"
    names = {"click", "common", "dataclasses", "grpc", "mapper", "numpy", "reducer", "protos", "socket"}
    poison(folder, names - loaded_before_any_program(tmp_path))
    env = os.environ | {"PYTHONPATH": path.format(root=ROOT, here=folder)}
    ended = run_master(folder, *options(), "--quiet", env=env)
    assert imported(folder) == ""
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.parametrize("path", [":", "{others}", ":{others}"])
@pytest.mark.parametrize("program", ["-m", "-c"])
def test_packages_of_other_people_with_our_names_do_no_harm(tmp_path: Path, path: str, program: str) -> None:
    """As `python -m master`, and as the installed command starts; the folder of ours comes last."""
    here, others = tmp_path / "here", tmp_path / "others"
    poison(here, {"common", "protos", "mapper", "reducer", "numpy"})
    poison(others, {"common", "protos", "mapper", "reducer"})
    text = "import sys; sys.argv[0] = 'kmeans-mapreduce'; from master.__main__ import start; start()"
    what = ["master"] if program == "-m" else [text]
    env = os.environ | {"PYTHONPATH": f"{path.format(others=others)}:{ROOT}"}
    ended = subprocess.run(
        [sys.executable, program, *what, *options(), "--quiet"],
        cwd=here,
        env=env,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert imported(here) == imported(others) == ""
    assert (ended.returncode, ended.stderr) == (0, "")
    assert centroids_of(here) == SAMPLE_CENTROIDS


@pytest.mark.parametrize("name", ["a b", "a#c", "a?d", "a%20e", "a\nf", b"a\xffg"])
def test_any_folder_of_temporary_files_will_do(tmp_path: Path, name: str | bytes) -> None:
    folder = tmp_path / os.fsdecode(name)
    folder.mkdir()
    env = environment() | {"TMPDIR": str(folder)}
    ended = run_master(tmp_path, *options(), "--quiet", env=env)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert list(folder.iterdir()) == []


def test_a_worker_that_cannot_start_says_why(tmp_path: Path) -> None:
    hook = (
        "if event == 'open' and '.cache' in str(arguments[0]): raise OSError(13, 'Permission denied', 'M1')"
    )
    hook += "\nif event == 'os.mkdir' and '--from-master' in sys.orig_argv: raise OSError(13, 'Denied', 'M1')"
    ended = run_master(tmp_path, *options(), "--quiet", env=environment_with_hook(tmp_path, hook))
    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1
    assert "Denied" in ended.stderr


REFUSED = "Resource temporarily unavailable; raise the limit of processes (ulimit -u)"
NO_FORK = "raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))"


def test_processes_that_the_system_refuses_are_told_in_one_line(tmp_path: Path) -> None:
    env = environment_with_hook(tmp_path, f"if event == 'os.fork': {NO_FORK}")
    ended = run_master(tmp_path, *options(), "--quiet", env=env)
    told = rf"Error: a worker did not start: [MR][12] cannot be started: {re.escape(REFUSED)}\n"
    assert ended.returncode == 1
    assert re.fullmatch(told, ended.stderr)


def test_a_worker_that_the_system_refuses_to_start_again_is_told_in_one_line(tmp_path: Path) -> None:
    count = "counts['forks'] = counts.get('forks', 0) + 1"
    hook = f"if event == 'os.fork':\n    {count}\n    if counts['forks'] > 2: {NO_FORK}"
    env = environment_with_hook(tmp_path, hook)
    with BackgroundRun(tmp_path, *options(m=1, r=1), "--task-delay", 60, "--quiet", env=env) as run:
        run.wait_for(RpcCall, method="Map")
        run.worker("M1").kill()
        code, error = run.end()
    assert (code, error.count("\n")) == (1, 1)
    assert f"M1 cannot be started: {REFUSED}" in error


def test_odd_settings_of_grpc_do_no_harm(tmp_path: Path) -> None:
    odd = {"GRPC_POLL_STRATEGY": "none", "GRPC_DNS_RESOLVER": "none", "http_proxy": "http://127.0.0.1:1"}
    ended = run_master(tmp_path, *options(), "--quiet", env=environment() | odd)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_no_network_is_needed_at_all(tmp_path: Path) -> None:
    """Not even the loopback interface."""
    alone = ["unshare", "--net", "--map-root-user"]
    if shutil.which("unshare") is None or subprocess.run([*alone, "true"], capture_output=True).returncode:
        pytest.skip("no network namespace can be made here")
    with BackgroundRun(tmp_path, *options(), prefix=alone) as run:
        assert run.end() == (0, "")
    assert centroids_of(tmp_path) == SAMPLE_CENTROIDS


def test_an_input_whose_name_is_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"q\xff.txt")
    path.write_bytes(SAMPLE.read_bytes())
    ended = run_master(tmp_path, *options(input_path=path), "--quiet")
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
    assert "its name is not UTF-8; rename it, or use --engine inline" in ended.stderr
