"""What compose.yaml and the Dockerfile say; tests/end_to_end/test_installed.py runs what the image has."""

import io
import re
import tomllib
from typing import Any

import pytest
from click.testing import CliRunner

from master.algorithms import own_commands
from master.cli.commands import command_line
from tests.programs import ROOT

yaml = pytest.importorskip("yaml")
VARIABLE = re.compile(r"[$][{](\w+):-([^}]*)[}]")
DOCKERFILE = (ROOT / "Dockerfile").read_text()


def services(**variables: str) -> dict[str, Any]:
    """Return the services with variables put in, as Compose does it: in values, after YAML is read."""

    def filled(value: Any) -> Any:
        match value:
            case dict():
                return {key: filled(each) for key, each in value.items()}
            case list():
                return [filled(each) for each in value]
            case str():
                return VARIABLE.sub(lambda found: variables.get(found[1]) or found[2], value)
        return value

    found: dict[str, Any] = filled(yaml.safe_load((ROOT / "compose.yaml").read_text()))["services"]
    return found


def parsed(command: list[str]) -> dict[str, Any]:
    """Return the groups of options that a command line of the master gives."""
    found: dict[str, Any] = {}
    line = command_line(own_commands(), lambda _, **groups: found.update(groups))
    ended = CliRunner().invoke(line, command)
    assert ended.exit_code == 0, ended.output
    return found


def binds(service: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return what a service has of the host, by the place in the container."""
    return {each["target"]: each for each in service["volumes"] if isinstance(each, dict)}


def test_the_number_of_workers_is_said_once() -> None:
    found = services(M="4", R="3", K="5", N="7", INPUT="/home/me/my points.txt")
    groups = parsed(found["master"]["entrypoint"][3:])
    assert (groups["workers"].mappers, groups["workers"].reducers) == (4, 3)
    assert (groups["clustering"].k, groups["clustering"].iterations) == ((5,), 7)
    for role, count in {"mapper": "4", "reducer": "3"}.items():
        assert found[role]["deploy"] == {"mode": "replicated", "replicas": count}


@pytest.mark.parametrize("path", [None, "/home/me/my points.txt"])
def test_master_and_mappers_see_the_input_at_one_place(path: str | None) -> None:
    found = services() if path is None else services(INPUT=path)
    groups = parsed(found["master"]["entrypoint"][3:])
    assert str(groups["hosts"].data_root) == "/data"
    for role in ("master", "mapper"):
        bind = binds(found[role])[groups["input"].input]
        assert bind["source"] == (path or "./data/input/points.txt")
        assert bind["read_only"]
    assert "--data-root=/data" in found["mapper"]["command"]
    assert not any(place.startswith("/data") for place in binds(found["reducer"]))


def test_paths_of_results_are_those_of_the_host() -> None:
    found = services()["master"]
    output = parsed(found["entrypoint"][3:])["output"]
    assert (str(output.data_dir), str(output.dump)) == ("out/data", "out/data/dump.txt")
    assert binds(found)[f"/work/{output.data_dir}"]["source"] == f"./{output.data_dir}"


def test_each_role_has_its_own_certificates() -> None:
    found = services()
    assert found["certs"]["command"][:2] == ["master", "certs"]
    assert found["certs"]["profiles"]
    for role in ("master", "mapper", "reducer"):
        assert binds(found[role])["/certs"]["source"] == f"./out/certs/{role}"
        assert binds(found[role])["/certs"]["read_only"]


def test_no_service_has_more_rights_than_it_needs() -> None:
    for name, service in services().items():
        assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"]), name
        assert service["user"] == "1000:1000"
        assert all(bind["bind"] == {"create_host_path": False} for bind in binds(service).values())
    assert len(re.findall(r"^USER [1-9]", DOCKERFILE, re.MULTILINE)) == 2


def test_the_notebook_is_served_to_this_machine_alone_and_only_when_it_is_named() -> None:
    found = services()["notebook"]
    assert found["profiles"] == ["notebook"]
    assert found["ports"] == ["127.0.0.1:8888:8888"]
    assert f"FROM build AS {found['build']['target']}\n" in DOCKERFILE
    assert found["command"][-1] == "/work/docs/notebooks"
    for place, bind in binds(found).items():
        assert bind["read_only"]
        assert (ROOT / bind["source"]).is_dir()
        assert place == f"/work/{bind['source'].removeprefix('./')}"
    assert not [word for word in found["command"] if "token" in word or "password" in word]


def test_the_master_is_the_command_that_runs() -> None:
    """Its exit code is the run's: nobody else's end ends it."""
    found = services()
    assert sorted(found["master"]["depends_on"]) == ["mapper", "reducer"]
    assert [name for name in ("mapper", "reducer") if "depends_on" in found[name]] == []


def test_the_image_is_built_from_a_fixed_base_and_dependencies_come_first() -> None:
    assert re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)[1:] == ["base", "build", "base"]
    assert re.search(
        r"^FROM python:\d+[.]\d+[.]\d+-\S+@sha256:[0-9a-f]{64} AS base$", DOCKERFILE, re.MULTILINE
    )
    order = [
        DOCKERFILE.index(part)
        for part in ("COPY pyproject.toml", "-r /run.txt", "COPY . .", "-m common.kernels")
    ]
    assert order == sorted(order)
    assert DOCKERFILE.index("WORKDIR /\n") < DOCKERFILE.index("-m common.kernels")  # not among the sources


def test_the_dockerfile_reads_the_dependencies() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    code = re.search(r'python -c "(.*?)"', DOCKERFILE.replace("\\\n", ""), re.DOTALL)
    assert code
    files: dict[str, str] = {}

    class Written:
        def __init__(self, name: str) -> None:
            self.name = name

        def write(self, text: str) -> None:
            files[self.name] = text

    def opened(name: str, mode: str) -> Any:
        return io.BytesIO((ROOT / name).read_bytes()) if "r" in mode else Written(name)

    exec(code[1], {"open": opened})
    assert files["/run.txt"].splitlines() == project["project"]["dependencies"]
    assert files["/build.txt"].splitlines() == project["build-system"]["requires"]
