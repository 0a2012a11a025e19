"""What master, mappers and reducers share: words, jobs, kernels, files and the wire."""

import os

__version__ = "0.1.0"

# gRPC reads it when it is imported. Without it gRPC starts threads in each forked child, and a child that
# closes its files before it becomes another program (Spark's Java is started so) may die of that:
# https://github.com/grpc/grpc/issues/43055
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
