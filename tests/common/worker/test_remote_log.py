"""A worker's events reach the master's dump."""

from pathlib import Path

from common.events.catalogue.tasks import LateAnswerDropped
from common.events.dump import Dump
from common.model import Role
from common.rpc.channels import connect
from common.rpc.credentials import PeerRole
from common.worker.lifeline import new_token
from common.worker.member import RemoteLog
from master.run.recorder import Recorder
from master.views.terminal import Screen
from protos.mapreduce_pb2_grpc import MasterStub
from tests.servers import listening, serve_master
from tests.story import story_of


def test_events_arrive_in_their_order(tmp_path: Path) -> None:
    dump = Dump(tmp_path / "dump.txt")
    recorder = Recorder(dump, Screen())
    token = new_token()
    with listening() as server:
        serve_master(server, log=recorder).join(Role.MAPPER, token, "unix:/nowhere")
        server.start()
        channel = connect(server.address, None, PeerRole.MASTER)
        log = RemoteLog("M1", token, MasterStub(channel))
        for task in range(1, 100):
            log.event(LateAnswerDropped(stage=1, job="label", task=1, attempt=task, role="mapper"))
        log.flush()
        channel.close()
    recorder.close()
    dump.close()
    arrived = story_of(tmp_path).of(LateAnswerDropped, process="M1", task=1)
    assert [event.attempt for event in arrived] == list(range(1, 100))


def test_without_a_master_lines_are_lost_and_nobody_waits() -> None:
    channel = connect("unix:/nowhere", None, PeerRole.MASTER)
    log = RemoteLog("M1", new_token(), MasterStub(channel))
    log.event(LateAnswerDropped(stage=1, job="label", task=1, attempt=1, role="mapper"))
    log.flush()
    channel.close()
