"""Disturb runs at random for a while, and compare each result with that of an undisturbed run.

Prints the seed. The same seed draws the same runs and disturbances again; the exact moment of each depends
on the machine. Ends with exit code 1 if anything went wrong, and keeps the folders of those runs, with
dump.txt, below --out.
"""

import subprocess
import sys
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import SystemRandom

import click

from master.cli.authority import make_folders
from scripts.chaos.soak import soak


@click.command(help=__doc__)
@click.option("--seconds", type=float, default=600.0, show_default=True, help="No run begins after that.")
@click.option("--seed", type=int, help="Of all choices.  [default: a random one]")
@click.option("--busy", type=int, default=0, show_default=True, help="Busy processes beside the runs.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("build/chaos"),
    show_default=True,
    help="A folder for the runs of this soak is made in it.",
)
def main(seconds: float, seed: int | None, busy: int, out: Path) -> None:
    """Run, and print what happened."""
    seed = SystemRandom().randrange(2**32) if seed is None else seed
    print(f"seed                 {seed}", flush=True)
    folder = out.absolute() / f"seed_{seed}"
    number = 1
    while folder.exists():
        number += 1
        folder = folder.with_name(f"seed_{seed}_{number}")
    folder.mkdir(parents=True)
    make_folders(folder / "certs", datetime.now(UTC) + timedelta(days=7), keep_authority_key=False)
    with ExitStack() as stack:
        for _ in range(busy):
            loop = stack.enter_context(subprocess.Popen([sys.executable, "-c", "while True: pass"]))
            stack.callback(loop.kill)
        tally = soak(seed, seconds, folder, folder / "certs")
    print(*tally.lines(), sep="\n")
    sys.exit(1 if tally.violations.total() else 0)


if __name__ == "__main__":
    main()
