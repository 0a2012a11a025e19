"""Start the fork server first, then open the input and import gRPC: the time of all passes only once."""

from contextlib import ExitStack, suppress
from pathlib import Path

from common.events.catalogue.workers import StartingWorkers
from common.jobs.base import Engine
from common.model import Role
from common.rpc.address import new_master_socket, split_address
from common.rpc.credentials import Certificates, PeerRole
from master.cluster.forks import ForkServer
from master.cluster.processes import END_TIMEOUT_S, WorkerProcess
from master.engines.table import EngineRequest
from master.options.groups import HostOptions, InputOptions, RunConfig
from master.scheduling.messages import WorkerId

_LARGE_BYTES = 4 << 20
"""From here on a mapper's part of the input will most likely need the compiled kernels."""
_KERNELS = "common.kernels.compiling:load_compiler_without_scipy"


def prepare(config: RunConfig, stack: ExitStack) -> ForkServer:
    """Let a fork server import what the workers of this machine will need."""
    large = _input_bytes(config.input) >= _LARGE_BYTES * config.workers.mappers
    forks = ForkServer([_KERNELS] if large else [])
    stack.callback(forks.close)
    if config.hosts.workers == "local":
        forks.start()
    return forks


def _input_bytes(given: InputOptions) -> int:
    """Return about how much there is to read, as far as that is known before the input is opened."""
    if given.rows is not None:
        return given.rows.nbytes
    with suppress(OSError, ValueError):  # it will be refused when it is opened
        return Path(given.input).stat().st_size
    return 0


def start_engine(request: EngineRequest) -> Engine:
    """Start the workers of this machine and wait until all have joined."""
    hosts = request.config.hosts
    certificates = None if hosts.certs is None else Certificates.load(hosts.certs, PeerRole.MASTER)
    if certificates is None or hosts.listen is None:
        listen = new_master_socket(request.stack)
    else:
        listen = hosts.listen
    processes = _start_workers(request, listen) if hosts.workers == "local" else []
    from master.engines.grpc.engine import GrpcEngine  # the workers start meanwhile

    engine = GrpcEngine(request, processes, certificates, listen)
    request.stack.callback(engine.close)
    engine.start()
    return engine


def _start_workers(request: EngineRequest, listen: str) -> list[WorkerProcess]:
    """Start those of this machine; the request's stack ends them in any case."""
    workers, processes = request.config.workers, list[WorkerProcess]()
    arguments = _worker_arguments(listen, request.config.hosts)
    request.log.event(StartingWorkers(mappers=workers.mappers, reducers=workers.reducers))
    for role, count in {Role.MAPPER: workers.mappers, Role.REDUCER: workers.reducers}.items():
        for index in range(1, count + 1):
            folder = request.data_dir.node(role, index)
            process = WorkerProcess(WorkerId(role, index, 1), request.prepared, folder, arguments)
            request.stack.callback(process.end, END_TIMEOUT_S)
            processes.append(process)
    return processes


def _worker_arguments(listen: str, hosts: HostOptions) -> list[str]:
    """Return what tells a worker of this machine where to serve, alone or beside workers from others."""
    if hosts.certs is None:
        return ["--sockets", listen]
    host, _port = split_address(listen, "--listen")
    certs, root = hosts.certs.resolve(), hosts.data_root.resolve()
    for role in Role:
        Certificates.load(certs, role)  # a missing file is said now, in one line
    return ["--listen", f"{host}:0", "--data-root", str(root), "--certs", str(certs)]
