"""Who imports the estimator needs scikit-learn; the command line does not import it."""

import subprocess
import sys
from pathlib import Path

import pytest

import master
from tests.programs import PATIENCE_S, ROOT, environment


@pytest.mark.parametrize(
    "statement",
    [
        "from master import KMeans",
        "from master import LogisticRegression",
        "from master import TextFile",
        "import master.estimator",
    ],
)
def test_without_scikit_learn_one_line_says_what_to_install(statement: str) -> None:
    code = f"import sys; sys.modules['sklearn'] = None; {statement}"
    command = [sys.executable, "-W", "error", "-c", code]
    ended = subprocess.run(
        command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    expected = "KMeans and LogisticRegression need scikit-learn: pip install 'kmeans-mapreduce[sklearn]'"
    assert ended.stderr.splitlines()[-1] == f"ImportError: {expected}"
    assert "During handling" not in ended.stderr
    assert ended.returncode == 1


@pytest.mark.parametrize("hiding", ["common.py", "common/__init__.py", "protos/__init__.py"])
def test_a_file_with_a_name_of_ours_beside_a_script_is_named(tmp_path: Path, hiding: str) -> None:
    (tmp_path / hiding).parent.mkdir(exist_ok=True)
    (tmp_path / hiding).write_text("")
    script = tmp_path / "script.py"
    script.write_text("from master import KMeans")
    ended = subprocess.run(
        [sys.executable, script],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    name = hiding.split(".")[0].split("/")[0]
    expected = f"{tmp_path / hiding} hides the package {name!r} of kmeans-mapreduce: rename or move it"
    assert ended.stderr.splitlines()[-1] == f"ImportError: {expected}"
    script.rename(tmp_path / "alone.py")
    (tmp_path / hiding).unlink()
    assert (
        subprocess.run(
            [sys.executable, tmp_path / "alone.py"], env=environment(), timeout=PATIENCE_S
        ).returncode
        == 0
    )


def test_the_command_line_does_not_load_it() -> None:
    code = (
        "import sys, master.cli.commands; print(sorted({'sklearn', 'master.estimator'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code]
    assert subprocess.check_output(command, cwd=ROOT, env=environment(), timeout=PATIENCE_S) == b"[]\n"
    with pytest.raises(AttributeError, match="KMedoids"):
        _ = master.KMedoids
