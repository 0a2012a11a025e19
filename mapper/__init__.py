"""A mapper process: runs map tasks and serves their partitions."""
