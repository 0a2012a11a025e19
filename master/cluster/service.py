"""The Master service: what workers tell the master, unpacked and passed on."""

import grpc

from common.events.log import RunLog
from common.model import Role
from common.rpc.messages import MOST_TASKS, unpack, unpack_address, unpack_lines, within
from master.cluster.membership import Membership
from master.scheduling.messages import WorkerId
from protos import mapreduce_pb2 as pb
from protos.mapreduce_pb2_grpc import MasterServicer


class MasterService(MasterServicer):
    """Serves the workers of one run; `epoch` names this master's life."""

    def __init__(self, membership: Membership, epoch: int, log: RunLog) -> None:
        self._membership = membership
        self._epoch = epoch
        self._log = log

    def Join(self, request: pb.JoinRequest, context: grpc.ServicerContext) -> pb.JoinResponse:  # noqa: N802
        """Add a worker."""
        role, address = unpack(Role, request.role), unpack_address(request.address)
        if request.index:
            index = within(request.index, 1, MOST_TASKS, "the index")
            worker = WorkerId(role, index, within(request.incarnation, 1, MOST_TASKS, "the incarnation"))
            self._membership.join(worker, address)
        else:
            worker = self._membership.join_from_elsewhere(role, request.instance, address)
        return pb.JoinResponse(index=worker.index, incarnation=worker.incarnation, epoch=self._epoch)

    def Heartbeat(  # noqa: N802
        self, request: pb.HeartbeatRequest, context: grpc.ServicerContext
    ) -> pb.HeartbeatResponse:
        """Note that a worker is alive."""
        over = self._membership.beat(_caller(request), request.tasks, request.progress)
        return pb.HeartbeatResponse(over=over)

    def Leave(self, request: pb.LeaveRequest, context: grpc.ServicerContext) -> pb.LeaveResponse:  # noqa: N802
        """Remove a worker that leaves."""
        self._membership.leave(_caller(request))
        return pb.LeaveResponse()

    def Log(self, request: pb.LogRequest, context: grpc.ServicerContext) -> pb.LogResponse:  # noqa: N802
        """Put workers' own lines into the dump."""
        self._log.add_lines(*unpack_lines(request.lines))
        return pb.LogResponse()


def _caller(request: pb.HeartbeatRequest | pb.LeaveRequest) -> WorkerId:
    return WorkerId(unpack(Role, request.role), request.index, request.incarnation)
