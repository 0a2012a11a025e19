"""Reaching Dask: a cluster of our own on this machine, or one that is there already."""

import logging
import os
import socket
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from multiprocessing import active_children
from multiprocessing.process import BaseProcess
from pathlib import Path
from threading import Timer
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from weakref import WeakSet

import common
from common.engines.shipping import write_archive
from common.errors import MapReduceError, RunFailedError, UsageError
from master.engines.stages import own_environment
from master.options.groups import ClusterOptions

if TYPE_CHECKING:
    from distributed import Client, LocalCluster

_CONNECT_S = 10
_START_S = 60
_CLOSE_S = 5

_have_our_code: "WeakSet[Client]" = WeakSet()


@contextmanager
def connect(
    scheduler: str | None, workers: int, timeout_s: float = ClusterOptions.cluster_timeout
) -> "Iterator[Client]":
    """Use the client that this process has, or connect to a scheduler, or start that many worker processes.

    What was started is ended. Of the workers started, one that hangs for twice `timeout_s` while others live
    is replaced: if all hang, the run ends before. UsageError, if Dask is not reachable or rejects us, says
    how to correct it.
    """
    from distributed import default_client

    theirs: Client | None = None
    with suppress(ValueError):  # there is none
        theirs = default_client()
    if theirs is not None:
        ship_code(theirs)
        yield theirs
        return
    for name in ("distributed", "distributed.client"):  # Dask has set a level for each
        logging.getLogger(name).setLevel(logging.CRITICAL)
    own = _own_cluster(workers, timeout_s) if scheduler is None else _client(scheduler)
    with own_environment(), own as client:
        yield client


def ship_code(client: "Client") -> None:
    """Make our code importable on the scheduler and on the workers, those to come as well; once."""
    if client in _have_our_code:
        return
    with tempfile.TemporaryDirectory() as folder, _own_package_kept():
        client.upload_file(str(write_archive(Path(folder))))
    _have_our_code.add(client)


@contextmanager
def _own_package_kept() -> Iterator[None]:
    """Keep our package as it is here: Dask loads the archive, which has less, wherever its scheduler runs."""
    before, path = dict(vars(common)), list(sys.path)
    try:
        yield
    finally:
        vars(common).update(before)
        sys.path[:] = path


@contextmanager
def translated_errors() -> Iterator[None]:
    """Turn what Dask raises into an error of ours, of one line."""
    try:
        yield
    except MapReduceError:
        raise
    except ModuleNotFoundError as error:
        module = (error.name or "").partition(".")[0]
        raise UsageError(
            f"module {module} is missing on the Dask workers; run there: pip install {module}"
        ) from error
    except Exception as error:
        raise RunFailedError(f"Dask failed: {type(error).__name__}: {_first_line(error)}") from error


@contextmanager
def _own_cluster(workers: int, timeout_s: float) -> "Iterator[Client]":
    """Start workers that nobody else can reach: on loopback, with certificates made for the run."""
    from distributed import Client, LocalCluster, Security

    os.environ["PYTHONSAFEPATH"] = "1"  # else they would look for modules in the working directory first
    killer = Timer(_CLOSE_S, _kill_children, [active_children()])
    killer.daemon = True
    with ExitStack() as stack:
        stack.callback(killer.cancel)
        with translated_errors():
            cluster = stack.enter_context(
                LocalCluster(
                    n_workers=0,
                    threads_per_worker=1,
                    processes=True,
                    host="127.0.0.1",
                    dashboard_address="127.0.0.1:0",
                    security=Security.temporary(),
                    memory_limit=0,
                    scheduler_kwargs={"worker_ttl": 2 * timeout_s},
                    silence_logs=logging.CRITICAL,
                )
            )
            # Dask closes a worker only after its start: it would wait without end for one that hangs there.
            stack.callback(killer.start)
            client = stack.enter_context(Client(cluster))
            _start_workers(cluster, client, workers)
        yield client


def _start_workers(cluster: "LocalCluster", client: "Client", count: int) -> None:
    cluster.scale(count)
    try:
        client.wait_for_workers(count, _START_S)
    except TimeoutError:
        started = len(client.nthreads())
        raise RunFailedError(f"only {started} of {count} Dask workers have started in {_START_S} s") from None


def _kill_children(spared: Sequence[BaseProcess]) -> None:
    for child in set(active_children()).difference(spared):
        if child.name.startswith("Dask"):
            child.kill()


@contextmanager
def _client(scheduler: str) -> "Iterator[Client]":
    from distributed import Client

    _check_scheduler(scheduler)
    try:
        client = Client(scheduler, timeout=_CONNECT_S)
    except (OSError, TimeoutError, ValueError, TypeError, RuntimeError) as error:
        raise UsageError(
            f"--dask-scheduler {scheduler} rejected the connection: {_first_line(error)}. For TLS use "
            "tls://... and set distributed.comm.tls in a file in $DASK_CONFIG"
        ) from error
    with client:
        if not client.nthreads():
            raise RunFailedError(f"{scheduler} has no worker; start one: dask worker {scheduler}")
        ship_code(client)
        yield client


def _check_scheduler(scheduler: str) -> None:
    """Try the address: Dask itself would try for long."""
    known = None
    with suppress(ValueError):
        where = urlsplit(scheduler)
        known = where.scheme in ("tcp", "tls") and where.hostname and where.port
    if not known:
        raise UsageError(f"--dask-scheduler {scheduler}: it must be tcp://host:port or tls://host:port")
    try:
        socket.create_connection((where.hostname, where.port), _CONNECT_S).close()
    except OSError as error:
        reason = error.strerror or os.strerror(error.errno or 0)
        raise UsageError(
            f"--dask-scheduler {scheduler}: no answer ({reason}). "
            "Is the scheduler running? Is the port right?"
        ) from None


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), repr(error))
