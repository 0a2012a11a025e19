"""Start a reducer: `python -m reducer`. The master does it, or a person with `--join`, on any host."""

import os
import sys

from common.lifeline import Lifeline


def main() -> None:
    """Watch the master from the first moment on, if it started us; import what takes a while; serve."""
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # its own lines are not for people
    lifeline = Lifeline() if "--index" in sys.argv else None
    from common.model import Role
    from common.worker.command import worker_command
    from reducer.servicer import add_reducer

    worker_command(Role.REDUCER, add_reducer, lifeline)()


if __name__ == "__main__":
    main()
