"""Check the model of the protocol under docs/model with spin, and that each of its rules is needed."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

MODEL = Path(__file__).parents[1] / "docs" / "model" / "protocol.pml"
OMISSIONS = (
    "NO_FENCE",
    "NO_ATTEMPT_IN_NAME",
    "CONDEMNED_COMES_BACK",
    "REDUCE_BEFORE_MAP",
    "NO_SUSPECT",
)


def missing() -> str:
    """Return the first program that the check needs and that is not installed, or an empty text."""
    return next((program for program in ("spin", "gcc") if shutil.which(program) is None), "")


def check(*omissions: str, faults: int = 1) -> str:
    """Explore every state; return what spin found wrong, empty if nothing.

    Parameters
    ----------
    omissions
        Rules to leave out.
    faults
        How many may happen.
    """
    with tempfile.TemporaryDirectory() as folder:
        defines = [f"-DFAULTS={faults}", *(f"-D{omission}" for omission in omissions)]
        _run("spin", "-a", *defines, str(MODEL), folder=folder)
        _run("gcc", "-O1", "-w", "-DSAFETY", "-DHC4", "-DVECTORSZ=2048", "-o", "pan", "pan.c", folder=folder)
        output = _run("./pan", "-m1000000", folder=folder)
    if "errors: 0" in output and "search depth too small" not in output:
        return ""
    return next((line for line in output.splitlines() if line.startswith("pan:1:")), output)


def _run(*command: str, folder: str) -> str:
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


def main() -> int:
    """Print a line for the model and one for each omission."""
    if program := missing():
        print(f"{program} is not installed; on Debian: apt-get install spin gcc")
        return 2
    wrong = check()
    print(f"all rules: {wrong or 'nothing wrong in any state'}")
    not_needed = 0
    for omission in OMISSIONS:
        found = check(omission)
        not_needed += not found
        print(f"{omission}: {found or 'nothing wrong: the rule is not needed?'}")
    return 1 if wrong or not_needed else 0


if __name__ == "__main__":
    sys.exit(main())
