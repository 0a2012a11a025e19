"""What a server lets through; who may call what on real servers is in tests/faults/test_who_may_call.py."""

import threading
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from common.events.catalogue.run import InternalError
from common.model import Attempt, RecordFormat, Records, Stage
from common.records import encode
from common.rpc.channels import connect
from common.rpc.credentials import PeerRole
from common.rpc.messages import pack
from common.rpc.server import CALLERS
from common.store.names import partition_name
from mapper.servicer import add_mapper
from protos import mapreduce_pb2 as pb
from protos.mapreduce_pb2_grpc import MapperStub
from tests.programs import PATIENCE_S, wait_until
from tests.servers import listening, methods, serve_master, worker_context


def test_every_method_has_its_callers() -> None:
    assert CALLERS.keys() == methods().keys()


@pytest.mark.parametrize(
    ("method", "caller"),
    [
        ("/mapreduce.v1.Mapper/Map", PeerRole.MAPPER),
        ("/mapreduce.v1.Mapper/Map", PeerRole.REDUCER),
        ("/mapreduce.v1.Mapper/FetchPartition", PeerRole.MAPPER),
        ("/mapreduce.v1.Mapper/FetchPartition", PeerRole.MASTER),
        ("/mapreduce.v1.Reducer/Reduce", PeerRole.REDUCER),
    ],
)
def test_workers_give_each_other_no_orders(method: str, caller: PeerRole) -> None:
    assert caller not in CALLERS[method]


def threads(name: str) -> int:
    return sum(thread.name.startswith(f"{name}_") for thread in threading.enumerate())


def test_streams_that_nobody_reads_keep_no_order_waiting(tmp_path: Path) -> None:
    worker = worker_context(tmp_path / "M1")
    attempt = Attempt(Stage(1, "label"), 0, 1)
    records = Records(np.zeros(400_000, np.int32), np.zeros((400_000, 4)))
    with worker.store.attempt(attempt, keep_iterations=False) as files:
        files.write(partition_name(0), encode(records, RecordFormat.ARROW))
    with listening() as server:
        add_mapper(server.grpc, worker)
        server.start()
        channel = connect(server.address, None, PeerRole.MAPPER)
        stub = MapperStub(channel)
        request = pb.FetchPartitionRequest(attempt=pack(attempt))
        unread = [stub.FetchPartition(request, timeout=PATIENCE_S) for _ in range(100)]
        wait_until(lambda: threads("stream") >= 32 or threads("rpc") >= 64, "threads of the streams")
        with pytest.raises(grpc.RpcError) as caught:
            stub.Map(pb.MapRequest(), timeout=PATIENCE_S)
        assert isinstance(caught.value, grpc.Call)
        assert caught.value.code() is not grpc.StatusCode.DEADLINE_EXCEEDED
        for stream in unread:
            stream.cancel()
        channel.close()


def test_what_is_no_message_is_refused() -> None:
    errors = list[InternalError]()
    with listening(on_error=errors.append) as server:
        serve_master(server)
        server.start()
        channel = connect(server.address, None, PeerRole.MASTER)
        log: Any = channel.unary_unary("/mapreduce.v1.Master/Log")
        with pytest.raises(grpc.RpcError) as caught:
            log(b"\xff" * 9, timeout=PATIENCE_S)
        channel.close()
    assert isinstance(caught.value, grpc.Call)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert errors == []
