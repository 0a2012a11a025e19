"""Start a reducer: `python -m reducer`. The master does it, or a person with `--join`, on any host."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(__file__)))  # our `common`, of all
from common.launch import keep_to_our_own

keep_to_our_own()

from common.worker.lifeline import watching_the_master

if __name__ == "__main__":
    with watching_the_master() as lifeline:
        from common.model import Role
        from common.worker.command import worker_command
        from reducer.servicer import add_reducer
    worker_command(Role.REDUCER, add_reducer, lifeline)()
