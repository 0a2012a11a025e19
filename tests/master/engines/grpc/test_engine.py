"""How the engine describes the input to workers on other hosts; its runs are tested in tests/engines."""

from dataclasses import replace
from pathlib import Path

import pytest

from common.errors import UsageError
from common.formats.dataset import open_input
from common.formats.unchanged import content_digest
from master.engines.grpc.engine import _as_sent
from master.options.groups import HostOptions


def test_every_host_finds_its_own_copy(tmp_path: Path) -> None:
    path = tmp_path / "in" / "points.csv"
    path.parent.mkdir()
    path.write_text("1,2\n")
    source = open_input(path).input
    assert _as_sent(source, HostOptions()) == source
    served = HostOptions("10.0.0.1:7000", certs=tmp_path, data_root=tmp_path)
    assert _as_sent(source, served) == replace(source, path="in/points.csv", digest=content_digest(path))
    with pytest.raises(UsageError, match=f"--input {path} is not below --data-root {tmp_path}/other"):
        _as_sent(source, replace(served, data_root=tmp_path / "other"))
