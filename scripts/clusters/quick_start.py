"""Let Spark start sooner: tests start it often, and it computes little itself.

`python -m scripts.clusters.quick_start` prepares the installed package. Java starts in half the time from an
archive of the classes that Spark loads, and Python's workers from files that Python can keep compiled.
"""

import os
import sys
import tempfile
from pathlib import Path
from zipfile import ZipFile

OPTIONS = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
_ARCHIVE = Path(sys.prefix) / "spark.jsa"


def driver_options() -> str:
    """Return Java's options for a driver on this machine.

    Where Spark has a folder of configuration, Java cannot use the archive. It would say so on standard
    output, so it logs nothing.
    """
    return f"{OPTIONS} -XX:SharedArchiveFile={_ARCHIVE} -Xlog:disable" if _ARCHIVE.exists() else OPTIONS


def main() -> None:
    """Prepare what is installed; the archive is there when all is done."""
    import pyspark

    _unpack(Path(pyspark.__path__[0], "python", "lib", "pyspark.zip"))
    written = _ARCHIVE.with_suffix(".part")
    _use_spark(f"{OPTIONS} -XX:ArchiveClassesAtExit={written} -Xlog:disable")
    written.rename(_ARCHIVE)


def _unpack(workers_code: Path) -> None:
    """Put a folder in the place of the zip file from which workers import PySpark."""
    if workers_code.is_file():
        folder = workers_code.with_suffix(".part")
        with ZipFile(workers_code) as packed:
            packed.extractall(folder)
        workers_code.unlink()
        folder.rename(workers_code)


def _use_spark(options: str) -> None:
    """Do with Spark what tests do, and wait for Java's end, when it writes the archive."""
    os.environ |= {
        "SPARK_LOCAL_IP": "127.0.0.1",
        "PYSPARK_PYTHON": sys.executable,
        "SPARK_SUBMIT_OPTS": options,
    }
    from pyspark.sql import SparkSession

    spark = SparkSession.builder.master("local[2]").getOrCreate()
    java = spark.sparkContext._gateway.proc
    points = spark.range(100).selectExpr("double(id % 7) as x", "double(id % 5) as y")
    with tempfile.TemporaryDirectory() as folder:
        points.write.parquet(f"{folder}/points.parquet")
        points.write.csv(f"{folder}/points.csv")
        for read in (spark.read.parquet(f"{folder}/points.parquet"), spark.read.csv(f"{folder}/points.csv")):
            read.rdd.map(tuple).reduceByKey(max).collect()
    spark.stop()
    java.stdin.close()
    java.wait()


if __name__ == "__main__":
    main()
