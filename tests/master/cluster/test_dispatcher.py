"""The dispatcher's calls, against a server that spoils its answers."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import grpc
import pytest

from common.events.catalogue.tasks import RpcCall, RpcResponse
from common.jobs.centroids import Label
from common.model import Input, InputFormat, Role, Stage, TaskOptions
from common.rpc.channels import connect
from common.rpc.credentials import Credentials, Party
from common.rpc.statuses import DamagedMessageError
from master.cluster.dispatcher import Dispatcher, StageOrder
from master.scheduling.messages import Output, TaskId, WorkerId
from protos.mapreduce_pb2_grpc import MapperStub
from tests.story import ListLog

WORKER = WorkerId(Role.MAPPER, 1, 1)


class Spoiled(grpc.GenericRpcHandler):
    """Answers every stream with bytes that nobody sealed."""

    def service(self, _details: grpc.HandlerCallDetails) -> Any:
        return grpc.unary_stream_rpc_method_handler(lambda request, context: iter([b"spoiled"]))


@pytest.fixture
def members() -> Iterator[Any]:
    server = grpc.server(ThreadPoolExecutor(1), handlers=[Spoiled()])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    channel = connect(f"127.0.0.1:{port}", Credentials.fresh(), Party.MAPPER)
    yield SimpleNamespace(mapper=lambda worker: MapperStub(channel))
    channel.close()
    server.stop(None).wait()


def test_a_map_output_that_arrives_damaged_is_a_failure_in_the_log(members: Any) -> None:
    log = ListLog()
    dispatcher = Dispatcher(TaskOptions(), 0.0, log)
    source = Input("x", InputFormat.NPY, "", 1, (0,), 1, 1, 1)
    order = StageOrder(Stage(1, "label"), Label(), {}, source, [], 0)
    output = Output(TaskId(Role.MAPPER, 0), 1, WORKER, None)
    with pytest.raises(DamagedMessageError):
        list(dispatcher.read_map_output(order, output, members, 0))
    assert [type(event) for event in log.events] == [RpcCall, RpcResponse]
    assert [answer.status for answer in log.of(RpcResponse)] == ["FAILURE"]
    dispatcher.close()
