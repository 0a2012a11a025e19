"""A Spark session for a script, whether spark-submit starts it or Python."""

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import click
from pyspark.errors import PySparkRuntimeError
from pyspark.sql import SparkSession

BY_SUBMIT = "PYSPARK_GATEWAY_PORT" in os.environ  # spark-submit sets it


def driver() -> int:
    """Return the process that all of Spark's driver is below: Java has started us, or we start Java."""
    return os.getppid() if BY_SUBMIT else os.getpid()


@contextmanager
def spark_session(name: str) -> Iterator[SparkSession]:
    """Use Spark as spark-submit or Spark's own configuration says, or else all cores of this machine."""
    # Spark is given no data of pandas.
    warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas", FutureWarning)
    if not BY_SUBMIT:
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        if not os.environ.keys() & {"SPARK_CONF_DIR", "SPARK_HOME"}:
            os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")  # else its web page is there for all
    builder = SparkSession.builder.appName(name).config("spark.ui.showConsoleProgress", "false")
    try:
        session = builder.getOrCreate()
    except PySparkRuntimeError as error:
        raise click.ClickException(f"Spark does not start; is Java 17 installed? ({error})") from error
    session.sparkContext.setLogLevel("ERROR")
    try:
        yield session
    finally:
        session.stop()
