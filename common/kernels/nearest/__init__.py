"""The ways to find the nearest centroids, one a file."""
