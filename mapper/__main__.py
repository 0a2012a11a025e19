"""Start a mapper: `python -m mapper`. The master does it, or a person with `--join`, on any host."""

import os
import sys

if __name__ == "__main__":
    # Python searches the working directory, whatever lies there: search the program's own folder instead.
    _root, _here = os.path.dirname(os.path.dirname(__file__)), os.path.realpath(".")  # noqa: PTH120
    _others = [path for path in sys.path if os.path.realpath(path or ".") != _here]
    sys.path[:] = _others if _root in _others else [_root, *_others]

from common.worker.lifeline import watching_the_master

if __name__ == "__main__":
    with watching_the_master() as lifeline:
        from common.model import Role
        from common.worker.command import worker_command
        from mapper.servicer import add_mapper
    worker_command(Role.MAPPER, add_mapper, lifeline)()
