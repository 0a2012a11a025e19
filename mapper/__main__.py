"""Start a mapper: `python -m mapper`. The master does it, or a person with `--join`, on any host."""

import sys

if __name__ == "__main__" and not sys.flags.safe_path:
    # Python searches the working directory first, whatever lies there: search the program's own folder.
    _root = __file__.rsplit("/", 2)[0]
    sys.path[:1] = [] if _root in sys.path[1:] else [_root]

import os
import signal

from common.worker.lifeline import Lifeline


def main() -> None:
    """Watch the master from the first moment on, if it started us; import what takes a while; serve."""
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # its own lines are not for people
    lifeline = Lifeline() if "--from-master" in sys.argv else None
    on_ctrl_c = signal.signal(signal.SIGINT, signal.SIG_DFL)  # nothing to tidy yet, and no traceback
    from common.model import Role
    from common.worker.command import worker_command
    from mapper.servicer import add_mapper

    signal.signal(signal.SIGINT, on_ctrl_c)
    worker_command(Role.MAPPER, add_mapper, lifeline)()


if __name__ == "__main__":
    main()
