"""Start the workers first, then import gRPC: both take some time, which passes only once."""

from common.jobs.base import Engine
from common.model import Role
from common.rpc.address import split_address
from common.rpc.credentials import Credentials, PeerRole
from master.cluster.processes import start_workers
from master.engines.table import EngineRequest
from master.options.groups import HostOptions


def start_engine(request: EngineRequest) -> Engine:
    """Start the workers of this machine and wait until all have joined."""
    workers, hosts = request.config.workers, request.config.hosts
    credentials = None if hosts.certs is None else Credentials.load(hosts.certs, PeerRole.MASTER)
    processes = []
    if hosts.workers == "local":
        processes = start_workers(
            workers.mappers, workers.reducers, request.data_dir, _worker_arguments(hosts)
        )
    from master.engines.grpc.engine import GrpcEngine  # the workers start meanwhile

    return request.stack.enter_context(GrpcEngine(request, processes, credentials))


def _worker_arguments(hosts: HostOptions) -> list[str]:
    """Return what tells a worker of this machine how to work beside workers from others."""
    if hosts.listen is None or hosts.certs is None:
        return []
    host, _port = split_address(hosts.listen, "--listen")
    certs, root = hosts.certs.resolve(), hosts.data_root.resolve()
    for role in Role:
        Credentials.load(certs, role)  # a missing file is said now, in one line
    return ["--listen", f"{host}:0", "--data-root", str(root), "--certs", str(certs)]
