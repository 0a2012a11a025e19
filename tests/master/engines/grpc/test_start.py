"""The workers start before gRPC is imported, and know what they need beside workers from others."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from common.errors import UsageError
from master.engines.grpc.start import _worker_arguments
from master.options.groups import HostOptions
from tests.programs import PATIENCE_S, ROOT, environment, make_certificates


def test_the_module_that_starts_the_workers_does_not_import_grpc() -> None:
    code = "import sys, master.engines.grpc.start; print('grpc' in sys.modules)"
    found = subprocess.check_output(
        [sys.executable, "-c", code], cwd=ROOT, env=environment(), timeout=PATIENCE_S
    )
    assert found == b"False\n"


def test_workers_of_this_machine_alone_need_only_the_sockets() -> None:
    assert _worker_arguments("unix:/a/master", HostOptions()) == ["--sockets", "unix:/a/master"]


def test_beside_workers_from_others(tmp_path: Path) -> None:
    certs = make_certificates(tmp_path)
    hosts = HostOptions("10.0.0.1:7000", "local", certs, tmp_path)
    assert _worker_arguments("10.0.0.1:7000", hosts) == [
        *("--listen", "10.0.0.1:0"),
        *("--data-root", os.path.realpath(tmp_path)),
        *("--certs", os.path.realpath(certs)),
    ]
    shutil.rmtree(certs / "reducer")
    with pytest.raises(UsageError, match="cannot be read: No such file or directory; make certificates with"):
        _worker_arguments("10.0.0.1:7000", hosts)
