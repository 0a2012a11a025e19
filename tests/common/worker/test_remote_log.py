"""A worker's events reach the master's dump."""

from pathlib import Path

from common.events.dump import Dump
from common.rpc.channels import connect
from common.rpc.credentials import Credentials, PeerRole
from common.rpc.server import Server
from common.worker.remote_log import RemoteLog
from master.run.recorder import Recorder
from master.views.terminal import Silent
from protos.mapreduce_pb2_grpc import MasterStub
from tests.programs import free_port
from tests.servers import serve_master


def test_events_arrive_in_their_order(tmp_path: Path) -> None:
    credentials, dump = Credentials.fresh(), Dump(tmp_path / "dump.txt")
    recorder = Recorder(dump, Silent())
    server = Server(credentials, lambda *_: None)
    serve_master(server, credentials, recorder)
    server.start()
    channel = connect(server.address, credentials, PeerRole.MASTER)
    log = RemoteLog("M1", MasterStub(channel))
    for task in range(1, 100):
        log.event("map_started", task=task)
    log.flush()
    channel.close()
    server.stop()
    recorder.close()
    dump.close()
    lines = (tmp_path / "dump.txt").read_text().splitlines()
    assert [line.split(" M1 ")[1] for line in lines] == [f"event=map_started task={i}" for i in range(1, 100)]


def test_without_a_master_lines_are_lost_and_nobody_waits() -> None:
    channel = connect(f"127.0.0.1:{free_port()}", Credentials.fresh(), PeerRole.MASTER)
    log = RemoteLog("M1", MasterStub(channel))
    log.event("map_started", task=1)
    log.flush()
    channel.close()
