"""Start a reducer: `python -m reducer`. The master does it, or a person with `--join`, on any host."""

import sys

if __name__ == "__main__" and not sys.flags.safe_path:
    # Python searches the working directory first, whatever lies there: search the program's own folder.
    _root = __file__.rsplit("/", 2)[0]
    sys.path[:1] = [] if _root in sys.path[1:] else [_root]

from common.worker.lifeline import watching_the_master

if __name__ == "__main__":
    with watching_the_master() as lifeline:
        from common.model import Role
        from common.worker.command import worker_command
        from reducer.servicer import add_reducer
    worker_command(Role.REDUCER, add_reducer, lifeline)()
