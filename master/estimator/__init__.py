"""K-Means with scikit-learn's interface: one module the estimator, one what it stands on, one its data."""

from master.estimator.kmeans import KMeans
from master.estimator.text_file import TextFile

__all__ = ["KMeans", "TextFile"]
