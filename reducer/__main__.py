"""Start a reducer: `python -m reducer`. The master does it."""

from common.model import Role
from common.worker import worker_command
from reducer.servicer import add_reducer

if __name__ == "__main__":
    worker_command(Role.REDUCER, add_reducer)()
