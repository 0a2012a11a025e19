"""Let Java start sooner for Spark: tests start it often, and it computes little itself.

`python -m scripts.clusters.quick_start` keeps the classes that Spark loads in an archive beside Python's
packages, checked and ready: Java starts in half the time from it.
"""

import os
import sys
import tempfile
from pathlib import Path

OPTIONS = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
_ARCHIVE = Path(sys.prefix) / "spark.jsa"


def driver_options() -> str:
    """Return Java's options for a driver on this machine.

    With a folder of configuration Java does not take the archive, and would say so on standard output.
    """
    return f"{OPTIONS} -XX:SharedArchiveFile={_ARCHIVE} -Xlog:disable" if _ARCHIVE.exists() else OPTIONS


def main() -> None:
    """Use what tests use of Spark, in a process of Java that writes the archive as it ends."""
    os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
    os.environ["PYSPARK_PYTHON"] = sys.executable
    os.environ["SPARK_SUBMIT_OPTS"] = f"{OPTIONS} -XX:ArchiveClassesAtExit={_ARCHIVE} -Xlog:disable"
    from pyspark.ml.clustering import KMeans
    from pyspark.ml.feature import VectorAssembler
    from pyspark.sql import SparkSession

    spark = SparkSession.builder.master("local[2]").getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    points = spark.range(100).selectExpr("double(id % 7) as x", "double(id % 5) as y")
    with tempfile.TemporaryDirectory() as folder:
        points.write.parquet(f"{folder}/points.parquet")
        points.write.csv(f"{folder}/points.csv")
        for read in (spark.read.parquet(f"{folder}/points.parquet"), spark.read.csv(f"{folder}/points.csv")):
            read.rdd.map(tuple).reduceByKey(max).collect()
    rows = VectorAssembler(inputCols=["x", "y"], outputCol="features").transform(points)
    KMeans(k=2, maxIter=2).fit(rows).transform(rows).collect()
    spark.stop()


if __name__ == "__main__":
    main()
