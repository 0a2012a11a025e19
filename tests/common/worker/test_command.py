"""The command line of a worker that a person starts; what it does then is in tests/faults."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from common.model import Role
from common.worker.command import worker_command
from mapper.servicer import add_mapper
from master.cli.authority import make_folders

JOIN = ["--join", "127.0.0.1:1", "--certs", "{certs}"]
COMMAND = worker_command(Role.MAPPER, add_mapper, None)


@pytest.fixture(scope="module")
def certs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certs") / "certs"
    make_folders(folder, datetime.now(UTC) + timedelta(days=1))
    return folder


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ([], "--join ADDRESS is required: where the master listens"),
        (["--join", "10.0.0.1:7000"], "--join 10.0.0.1:7000 needs --certs FOLDER"),
        (["--join", "127.0.0.1", "--certs", "{certs}"], "--join 127.0.0.1 has no port"),
        (["--join", "127.0.0.1:x", "--certs", "{certs}"], "--join 127.0.0.1:x: write HOST:PORT"),
        (["--join", "127.0.0.1:1", "--certs", "/nowhere"], "/nowhere/ca.pem cannot be read"),
        (
            ["--join", "127.0.0.1:1", "--certs", "{certs}", "--data-root", "/nowhere"],
            "there is no such folder",
        ),
        (["--join", "127.0.0.1:1", "--certs", "{certs}", "--listen", "a:b"], "--listen a:b: write HOST:PORT"),
        (["--join", "[::1]:1", "--certs", "{certs}", "--listen", "a:b"], "--listen a:b: write HOST:PORT"),
        (
            ["--join", "127.0.0.1:1", "--certs", "{certs}", "--advertise", ":1"],
            "--advertise :1: write HOST:PORT",
        ),
    ],
)
def test_what_is_refused_in_one_line(certs: Path, options: list[str], reason: str) -> None:
    result = CliRunner().invoke(COMMAND, [option.format(certs=certs) for option in options])
    assert result.exit_code == 2
    assert result.output.startswith("Error: ")
    assert reason in result.output
    assert result.output.count("\n") == 1


def test_both_names_of_the_help() -> None:
    short, long = (CliRunner().invoke(COMMAND, [option]) for option in ("-h", "--help"))
    assert (short.exit_code, short.output) == (0, long.output)
    assert "Start one mapper." in long.output
