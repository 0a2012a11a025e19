"""Start a mapper: `python -m mapper`. The master does it."""

from common.lifeline import Lifeline


def main() -> None:
    """Watch the master from the first moment on, then import what takes a while, and serve."""
    lifeline = Lifeline()
    from common.model import Role
    from common.worker import worker_command
    from mapper.servicer import add_mapper

    worker_command(Role.MAPPER, add_mapper, lifeline)()


if __name__ == "__main__":
    main()
