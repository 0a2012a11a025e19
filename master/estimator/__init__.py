"""K-Means with scikit-learn's interface: one module the estimator, one what it stands on, one its data."""

from master.estimator.kmeans import KMeans

__all__ = ["KMeans"]
