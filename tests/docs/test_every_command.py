"""Each command of README.md and docs/*.md runs, and says what the page shows of its output.

A block runs in a folder of its own, in which a run is finished already. TUTORIAL.md has a test that compares
all of its output.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.programs import PATIENCE_S, ROOT, environment, run_master

PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md"))]
BLOCK = re.compile(r"^```console\n(.*?)^```", re.DOTALL | re.MULTILINE)
PROMPT = re.compile(r"^(?:\w+)?\$ +", re.MULTILINE)
TIMES = re.compile(r"[\d.]+(?= ms)")
FINISHED = [
    "--mappers",
    "4",
    "--reducers",
    "2",
    "--k",
    "5",
    "--iters",
    "50",
    "--input",
    "data/input/blobs.csv",
    "--fail-rate",
    "0.2",
]
MADE = {"READY": ".ready", "KERNELS": ".kernels", "ENGINES": ".engines", "STUBS": ".stubs"}

NOT_RUN = {
    r"^pip install|^zip |^make (notebook|pictures)": "it installs; .ci/run, end_to_end/test_installed.py",
    r"^source ": "it changes the reader's shell; the environment is that of all other commands",
    r"//host|//name|--spark-master yarn|--master yarn": "it needs a cluster of several hosts",
    r"10[.]0[.]0[.]1|^scp ": "it needs several hosts; faults/test_hosts.py has some on one machine",
    r"docker": "it needs Docker; scripts/test_make.py and scripts/test_containers.py",
    r"^make (spark|dask)-cluster|^make down": "engines/test_spark.py and engines/test_dask.py do it",
    r"^make (bench|chaos|pipelines)": "it takes minutes; faults/test_chaos.py",
    r"rows 1000000": "it takes a while; scripts/test_jobs_table.py makes fewer rows",
    r"spark_ml_pipeline": "Spark starts slowly; scripts/pipelines/test_spark.py",
    r"--engine spark|^cmp .*ours": "Spark starts slowly; engines/test_spark.py compares the bytes",
    r"<Tab>": "a key in the shell; master/cli/test_commands.py",
    r"--ui$|-m master ui ": "a person looks at it in a browser; end_to_end/test_page.py",
    r"--workers remote": "it waits for workers; end_to_end/test_roles_apart.py",
    r"--task-delay|worker_started worker=M2|^kill ": "it needs two terminals; faults/test_killed_workers.py",
    r"--resume": "it needs an interrupted run; faults/test_resume.py",
    r"photo[.]jpg": "the reader's own picture; end_to_end/test_palette.py",
}
"""What of the pages cannot run here, and why."""


def blocks() -> Iterator[tuple[str, str]]:
    """Yield the name and the text of each block, those of the tutorial left out."""
    for page in PAGES:
        for number, block in enumerate(BLOCK.findall(page.read_text()), 1):
            if page.name != "TUTORIAL.md":
                yield f"{page.stem}-{number}", block


def steps(block: str) -> Iterator[tuple[str, list[str]]]:
    """Yield each command and the lines that are shown after it."""
    for step in PROMPT.split(block.replace("\\\n", ""))[1:]:
        typed, *shown = step.splitlines()
        yield typed, [line for line in shown if line.strip() != "..."]


def reason(typed: str) -> str | None:
    return next((why for pattern, why in NOT_RUN.items() if re.search(pattern, typed)), None)


def runs(block: str) -> bool:
    return any(reason(typed) is None for typed, _ in steps(block))


RUNNING = {block: name for name, block in blocks() if runs(block)}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder like a clone, with a finished run."""
    folder = tmp_path_factory.mktemp("clone")
    shutil.copytree(ROOT / "data" / "input", folder / "data" / "input")
    for name in ("LICENSE", "Makefile", "README.md", "docs", "protos", "pyproject.toml", "scripts"):
        (folder / name).symlink_to(ROOT / name)
    for mark in MADE.values():
        (folder / mark).touch()
    ended = run_master(folder, *FINISHED)
    assert ended.returncode == 0, ended.stderr
    return folder


def said(folder: Path, typed: str) -> str:
    """Run a command as a reader would, who has the environment already."""
    bin_folder = Path(sys.executable).parent
    made = " ".join(f"{variable}={mark}" for variable, mark in MADE.items())
    known = environment() | {
        "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}",
        "MAKEFLAGS": f" --no-print-directory -- BIN={bin_folder} {made}",
    }
    ran = subprocess.run(
        ["bash", "-o", "pipefail", "-c", typed],
        cwd=folder,
        env=known,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE_S,
    )
    assert ran.returncode == 0, f"{typed}\n{ran.stdout}"
    return ran.stdout.replace(f"{folder}/", "")


@pytest.mark.slow
@pytest.mark.parametrize("block", RUNNING, ids=RUNNING.values())
def test_each_command_says_what_the_page_shows(tmp_path: Path, finished: Path, block: str) -> None:
    folder = shutil.copytree(finished, tmp_path / "clone", symlinks=True)
    for typed, shown in steps(block):
        if reason(typed) is None:
            said_lines = TIMES.sub("T", said(folder, typed)).splitlines()
            assert [line for line in shown if TIMES.sub("T", line) not in said_lines] == [], typed


def test_what_cannot_run_is_still_there() -> None:
    typed = [command for _, block in blocks() for command, _ in steps(block)]
    assert [pattern for pattern in NOT_RUN if not any(re.search(pattern, each) for each in typed)] == []


def test_reasons_name_tests_that_exist() -> None:
    named = re.findall(r"\w[\w/]+[.]py", " ".join(NOT_RUN.values()))
    assert len(named) > 10
    assert [name for name in named if not (ROOT / "tests" / name).exists()] == []


def test_most_commands_run() -> None:
    assert len(RUNNING) > 20
