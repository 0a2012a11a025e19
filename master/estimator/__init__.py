"""Estimators with scikit-learn's interface: a module for each; the others are their data and parameters."""

try:
    from master.estimator.classifier import LogisticRegression
    from master.estimator.kmeans import KMeans
    from master.estimator.search import KMeansSearch
    from master.estimator.text_file import TextFile
except ImportError as error:  # not installed, or older than 1.6
    if not (error.name or "").startswith("sklearn"):
        raise
    needed = "KMeans and LogisticRegression need scikit-learn: pip install 'kmeans-mapreduce[sklearn]'"
    raise ImportError(needed) from None

__all__ = ["KMeans", "KMeansSearch", "LogisticRegression", "TextFile"]
