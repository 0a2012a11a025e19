"""Each host has the certificates of its role and no others, as compose.yaml and docs/MACHINES.md have it."""

from pathlib import Path

from tests.programs import (
    SAMPLE,
    SAMPLE_CENTROIDS,
    JoinedWorker,
    centroids_of,
    free_port,
    make_certificates,
    options,
    remote_workers,
    run_master,
)


def test_a_master_needs_no_certificates_of_workers(tmp_path: Path) -> None:
    certs = make_certificates(tmp_path)
    (tmp_path / "points.txt").write_bytes(SAMPLE.read_bytes())
    master = f"127.0.0.1:{free_port()}"
    for role in ("master", "mapper", "reducer"):
        (tmp_path / role).mkdir()
        (certs / role).rename(tmp_path / role / "certs")
    mapper = JoinedWorker("mapper", master, tmp_path / "mapper" / "certs", tmp_path / "m")
    reducer = JoinedWorker("reducer", master, tmp_path / "reducer" / "certs", tmp_path / "r")
    with mapper, reducer:
        remote = remote_workers(master, tmp_path / "master" / "certs", tmp_path)
        ended = run_master(tmp_path, *options(1, 1, input_path=tmp_path / "points.txt"), *remote)
        assert (ended.returncode, ended.stderr) == (0, "")
        assert centroids_of(tmp_path) == SAMPLE_CENTROIDS
        assert (mapper.end()[0], reducer.end()[0]) == (0, 0)
