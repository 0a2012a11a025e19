"""A worker ends when its standard input closes, at any moment."""

import subprocess
import sys

from tests.programs import PATIENCE_S

PROGRAM = """
import time
from common.worker.lifeline import Lifeline
lifeline = Lifeline()
print(lifeline.introduction(), flush=True)
lifeline.at_end.callback(print, "the end", flush=True)
print("ready", flush=True)
time.sleep(600)
"""


def start() -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def test_it_is_introduced_and_ends_with_its_master() -> None:
    with start() as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("127.0.0.1:7000 token\n")
        process.stdin.flush()
        assert process.stdout.readline() == "('127.0.0.1:7000', 'token')\n"
        assert process.stdout.readline() == "ready\n"
        process.stdin.close()
        assert process.stdout.read() == "the end\n"
        assert process.wait(PATIENCE_S) == 0


def test_it_ends_before_it_is_introduced() -> None:
    with start() as process:
        assert process.communicate(timeout=PATIENCE_S)[0] == ""
        assert process.returncode == 0


def test_it_ends_though_its_last_act_fails() -> None:
    program = PROGRAM.replace(
        'lifeline.at_end.callback(print, "the end", flush=True)', "lifeline.at_end.callback(open, '')"
    )
    assert program != PROGRAM
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, text=True) as process:
        process.communicate("unix:/nowhere token\n", timeout=PATIENCE_S)
        assert process.returncode == 0
