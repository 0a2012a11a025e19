"""Ctrl-C while an estimator starts its processes: none stays, though the interpreter lives on."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.moments import imports
from tests.programs import PATIENCE_S, SAMPLE, environment

PROGRAM = """
import os, sys, tempfile, psutil
tempfile.tempdir = {folder!r}
import master.estimator
counts = {{}}
def interrupt(event, arguments):
    if {moment}:
        counts[event] = counts.get(event, 0) + 1
        if counts[event] == {nth}:
            os.kill(os.getpid(), 2)
sys.addaudithook(interrupt)
try:
    master.estimator.KMeans(2, engine="grpc", mappers=3).fit({sample!r})
except KeyboardInterrupt:
    left = psutil.Process().children(recursive=True)
    print("interrupted", len(psutil.wait_procs(left, timeout=600)[1]), os.listdir({folder!r}))
"""
STARTED = "event == 'socket.sendmsg'"
MOMENTS = {
    "a folder is made": ("event == 'os.mkdir'", 1),
    "the fork server": ("event == 'subprocess.Popen'", 1),
    "the first process": (STARTED, 1),
    "the second process": (STARTED, 2),
    "the last process": (STARTED, 4),
    "gRPC is imported": (imports("grpc"), 1),
    "the engine is imported": (imports("master.engines.grpc.engine"), 1),
    "a socket folder is made": ("event == 'os.mkdir' and 'mapreduce-' in str(arguments[0])", 1),
    "the dump is written to": ("event == 'open' and 'dump.txt' in str(arguments[0])", 1),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_no_process_and_no_file_stays(tmp_path: Path, moment: str) -> None:
    when, nth = MOMENTS[moment]
    program = PROGRAM.format(folder=str(tmp_path), moment=when, nth=nth, sample=str(SAMPLE))
    ended = subprocess.run(
        [sys.executable, "-c", program], env=environment(), capture_output=True, text=True, timeout=PATIENCE_S
    )
    assert (ended.returncode, ended.stderr, ended.stdout) == (0, "", "interrupted 0 []\n")
