"""Start a mapper: `python -m mapper`. The master does it."""

from common.model import Role
from common.worker import worker_command
from mapper.servicer import add_mapper

if __name__ == "__main__":
    worker_command(Role.MAPPER, add_mapper)()
