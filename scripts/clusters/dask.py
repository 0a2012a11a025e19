"""A Dask cluster on this machine: a scheduler and two workers, with TLS.

python -m scripts.clusters.dask up      start it
python -m scripts.clusters.dask run     run the sample on it; further arguments go to `python -m master`
python -m scripts.clusters.dask down    end the cluster
"""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import click

from scripts.clusters.daemons import ROOT, STATE, Daemons, as_help

HOST = "127.0.0.1"
WORKERS = 2
ADDRESS = "address"
"""The file with the address of the scheduler."""


@click.group(help=as_help(__doc__))
@click.option(
    "--folder", type=click.Path(path_type=Path), default=STATE / "dask", show_default=True, help="Its state."
)
@click.pass_context
def main(context: click.Context, folder: Path) -> None:
    """Choose the cluster's folder."""
    context.obj = Daemons(folder.resolve())


@main.command()
@click.pass_obj
def up(daemons: Daemons) -> None:
    """Start a scheduler and two workers."""
    if find_spec("distributed") is None or find_spec("cryptography") is None:
        sys.exit("dask is not installed: pip install '.[dask]'")
    daemons.prepare()
    _write_certificates(daemons)
    where = ["--host", HOST, "--protocol", "tls", "--port", "0", "--dashboard-address", f"{HOST}:0"]
    scheduler = [sys.executable, "-m", "distributed.cli.dask_scheduler"]
    daemons.start("scheduler", [*scheduler, *where], _environment(daemons))
    url = daemons.await_match("scheduler", r"Scheduler at:\s+(tls://\S+)")[1]
    daemons.private_file(ADDRESS, url)
    for number in range(1, WORKERS + 1):
        worker = [sys.executable, "-m", "distributed.cli.dask_worker", url, "--name", f"W{number}"]
        limits = ["--nthreads", "1", "--memory-limit", "0", "--no-dashboard", "--host", HOST]
        folder = ["--local-directory", str(daemons.folder / "work")]
        daemons.start(f"worker{number}", [*worker, *limits, *folder], _environment(daemons))
    for number in range(1, WORKERS + 1):
        daemons.await_match(f"worker{number}", "Registered to:")
    click.echo(f"{url} with {WORKERS} workers is up; its logs are in {daemons.folder}")
    conf = daemons.folder / "conf"
    click.echo(f"use it:  DASK_CONFIG={conf} python -m master --engine dask --dask-scheduler {url} ...")
    click.echo("end it:  make down")


@main.command(context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.pass_obj
def run(daemons: Daemons, arguments: tuple[str, ...]) -> None:
    """Run the sample, or with the given arguments."""
    address = daemons.folder / ADDRESS
    if not address.exists():
        sys.exit("the cluster is not up: make dask-cluster")
    url = address.read_text()
    command = [sys.executable, "-m", "master", "--engine", "dask", "--dask-scheduler", url, *arguments]
    sys.exit(subprocess.run(command, cwd=ROOT, env=os.environ | _environment(daemons)).returncode)


@main.command()
@click.pass_obj
def down(daemons: Daemons) -> None:
    """End the cluster."""
    daemons.end()


def _write_certificates(daemons: Daemons) -> None:
    """Make a self-signed certificate; whoever has its key can join the cluster."""
    from distributed import Security

    security = Security.temporary()
    files = {
        "certificate": str(daemons.private_file("conf/certificate.pem", security.tls_scheduler_cert)),
        "key": str(daemons.private_file("conf/key.pem", security.tls_scheduler_key)),
    }
    each = {"cert": files["certificate"], "key": files["key"]}
    tls = {"ca-file": files["certificate"], "scheduler": each, "worker": each, "client": each}
    comm = {"require-encryption": True, "tls": tls}
    daemons.private_file("conf/distributed.yaml", json.dumps({"distributed": {"comm": comm}}))


def _environment(daemons: Daemons) -> dict[str, str]:
    return {"DASK_CONFIG": str(daemons.folder / "conf")}


if __name__ == "__main__":
    main()
