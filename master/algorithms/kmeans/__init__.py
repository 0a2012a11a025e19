"""K-Means: its configuration, its start, its loop and its score."""
