"""Start the workers first, then import gRPC: both take some time, which passes only once."""

from common.jobs.base import Engine
from common.model import Role
from common.rpc.address import new_master_socket, remove_socket_folder, split_address
from common.rpc.credentials import Certificates, PeerRole
from master.cluster.processes import start_workers
from master.engines.table import EngineRequest
from master.options.groups import HostOptions
from master.scheduling.messages import WorkerId


def start_engine(request: EngineRequest) -> Engine:
    """Start the workers of this machine and wait until all have joined."""
    workers, hosts = request.config.workers, request.config.hosts
    certificates = None if hosts.certs is None else Certificates.load(hosts.certs, PeerRole.MASTER)
    own = []
    if hosts.workers == "local":
        counts = {Role.MAPPER: workers.mappers, Role.REDUCER: workers.reducers}
        own = [WorkerId(role, index, 1) for role, count in counts.items() for index in range(1, count + 1)]
    if certificates is None or hosts.listen is None:
        listen = new_master_socket()
        request.stack.callback(remove_socket_folder, listen)
    else:
        listen = hosts.listen
    processes = start_workers(own, request.data_dir, _worker_arguments(listen, hosts), request.stack)
    from master.engines.grpc.engine import GrpcEngine  # the workers start meanwhile

    return request.stack.enter_context(GrpcEngine(request, processes, certificates, listen))


def _worker_arguments(listen: str, hosts: HostOptions) -> list[str]:
    """Return what tells a worker of this machine where to serve, alone or beside workers from others."""
    if hosts.certs is None:
        return ["--sockets", listen]
    host, _port = split_address(listen, "--listen")
    certs, root = hosts.certs.resolve(), hosts.data_root.resolve()
    for role in Role:
        Certificates.load(certs, role)  # a missing file is said now, in one line
    return ["--listen", f"{host}:0", "--data-root", str(root), "--certs", str(certs)]
