"""A standalone Spark cluster on this machine: a master and two workers, with a secret and encryption.

python -m scripts.clusters.spark up      start it from the pyspark package alone
python -m scripts.clusters.spark run     run the sample on it; further arguments go to `python -m master`
python -m scripts.clusters.spark down    end the cluster
"""

import os
import secrets
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import click

from scripts.clusters import quick_start
from scripts.clusters.daemons import ROOT, STATE, Daemons, as_help

HOST = "127.0.0.1"
SETTINGS = """\
spark.master                         {url}
spark.authenticate                   true
spark.authenticate.secret            {secret}
spark.network.crypto.enabled         true
spark.network.crypto.cipher          AES/GCM/NoPadding
spark.master.rest.enabled            false
spark.driver.host                    {host}
spark.driver.bindAddress             {host}
spark.executor.memory                1g
spark.executor.extraJavaOptions      {options}
"""


@click.group(help=as_help(__doc__))
@click.option(
    "--folder", type=click.Path(path_type=Path), default=STATE / "spark", show_default=True, help="Its state."
)
@click.pass_context
def main(context: click.Context, folder: Path) -> None:
    """Choose the cluster's folder."""
    context.obj = Daemons(folder.resolve())


@main.command()
@click.pass_obj
def up(daemons: Daemons) -> None:
    """Start a master and two workers."""
    spec = find_spec("pyspark")
    if spec is None or not spec.submodule_search_locations:
        sys.exit("pyspark is not installed: pip install '.[spark]'")
    home = spec.submodule_search_locations[0]
    daemons.prepare()
    secret = secrets.token_hex(32)
    environment = _environment(daemons) | {"SPARK_HOME": home, "SPARK_DAEMON_JAVA_OPTS": quick_start.OPTIONS}
    spark_class = [f"{home}/bin/spark-class"]
    daemons.private_file("conf/spark-defaults.conf", _settings("local[*]", secret))
    master = ["org.apache.spark.deploy.master.Master", "--host", HOST, "--port", "0", "--webui-port", "0"]
    daemons.start("master", [*spark_class, *master], environment)
    url = daemons.await_match("master", r"(spark://\S+)")[1]
    ui = daemons.await_match("master", r"started at (http://\S+)")[1]
    daemons.await_match("master", "New state: ALIVE")
    daemons.private_file("conf/spark-defaults.conf", _settings(url, secret))
    for number in (1, 2):
        worker = ["org.apache.spark.deploy.worker.Worker", "--host", HOST, "--webui-port", "0"]
        limits = ["--cores", "1", "--memory", "2g", "--work-dir", str(daemons.folder / f"work{number}")]
        daemons.start(f"worker{number}", [*spark_class, *worker, *limits, url], environment)
    for number in (1, 2):
        daemons.await_match(f"worker{number}", "Successfully registered with master")
    click.echo(f"{url} with two workers is up; its UI is {ui}, its logs are in {daemons.folder}")
    click.echo(f"use it:  SPARK_CONF_DIR={daemons.folder}/conf python -m master --engine spark ...")
    click.echo("end it:  make down")


@main.command(context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.pass_obj
def run(daemons: Daemons, arguments: tuple[str, ...]) -> None:
    """Run the sample, or with the given arguments."""
    if not (daemons.folder / "conf").exists():
        sys.exit("the cluster is not up: make spark-cluster")
    command = [sys.executable, "-m", "master", "--engine", "spark", *arguments]
    sys.exit(subprocess.run(command, cwd=ROOT, env=os.environ | _environment(daemons)).returncode)


@main.command()
@click.pass_obj
def down(daemons: Daemons) -> None:
    """End the cluster."""
    daemons.end()


def _environment(daemons: Daemons) -> dict[str, str]:
    return {
        "SPARK_CONF_DIR": str(daemons.folder / "conf"),
        "SPARK_LOCAL_IP": HOST,
        "PYSPARK_PYTHON": sys.executable,
    }


def _settings(url: str, secret: str) -> str:
    return SETTINGS.format(url=url, secret=secret, host=HOST, options=quick_start.OPTIONS)


if __name__ == "__main__":
    main()
