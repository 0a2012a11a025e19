"""Who imports the estimator needs scikit-learn; the command line does not import it."""

import subprocess
import sys

import pytest

import master
from tests.programs import ROOT, environment


@pytest.mark.parametrize("statement", ["from master import KMeans", "import master.estimator"])
def test_without_scikit_learn_one_line_says_what_to_install(statement: str) -> None:
    code = f"import sys; sys.modules['sklearn'] = None; {statement}"
    command = [sys.executable, "-W", "error", "-c", code]
    ended = subprocess.run(
        command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=60, check=False
    )
    expected = "ImportError: KMeans needs scikit-learn: pip install 'kmeans-mapreduce[sklearn]'"
    assert ended.stderr.splitlines()[-1] == expected
    assert "During handling" not in ended.stderr
    assert ended.returncode == 1


def test_the_command_line_does_not_load_it() -> None:
    code = (
        "import sys, master.cli.commands; print(sorted({'sklearn', 'master.estimator'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code]
    assert subprocess.check_output(command, cwd=ROOT, env=environment(), timeout=60) == b"[]\n"
    with pytest.raises(AttributeError, match="KMedoids"):
        _ = master.KMedoids
