"""Reaching Dask: a cluster of our own on this machine, or one that is there already."""

import logging
import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from weakref import WeakSet

from common.engines.shipping import write_archive
from common.errors import RunFailedError, UsageError
from master.engines.dask.errors import translated_errors

if TYPE_CHECKING:
    from distributed import Client

_CONNECT_S = 10

_have_our_code: "WeakSet[Client]" = WeakSet()


@contextmanager
def connect(scheduler: str | None, workers: int) -> "Iterator[Client]":
    """Use the client that this process has, or connect to a scheduler, or start that many worker processes.

    What was started is ended.

    Raises
    ------
    UsageError
        Dask is not reachable, or does not let us in; the text says how to mend it.
    """
    if (theirs := _default_client()) is not None:
        ship_code(theirs)
        yield theirs
        return
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    if scheduler is None:
        with _own_cluster(workers) as client:
            yield client
        return
    _check_scheduler(scheduler)
    with _client(scheduler) as client:
        ship_code(client)
        yield client


def ship_code(client: "Client") -> None:
    """Make our code importable on the scheduler and on the workers, those to come as well; once."""
    if client in _have_our_code:
        return
    with tempfile.TemporaryDirectory() as folder:
        client.upload_file(str(write_archive(Path(folder))))
    _have_our_code.add(client)


def _default_client() -> "Client | None":
    from distributed import default_client

    try:
        client: Client = default_client()
    except ValueError:
        return None
    return client


@contextmanager
def _own_cluster(workers: int) -> "Iterator[Client]":
    """Start workers that nobody else can reach: on loopback, with certificates made for the run."""
    from distributed import Client, LocalCluster, Security

    with translated_errors():
        cluster = LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            security=Security.temporary(),
            memory_limit=0,
            silence_logs=logging.CRITICAL,
        )
    with cluster, Client(cluster) as client:
        yield client


@contextmanager
def _client(scheduler: str) -> "Iterator[Client]":
    from distributed import Client

    try:
        client = Client(scheduler, timeout=_CONNECT_S)
    except (OSError, TimeoutError, ValueError, TypeError, RuntimeError) as error:
        reason = next(iter(str(error).splitlines()), repr(error))
        raise UsageError(f"--dask-scheduler {scheduler} does not let us in: {reason}; {_MEND_TLS}") from error
    with client:
        if not client.nthreads():
            raise RunFailedError(f"Dask's scheduler {scheduler} has no worker: dask worker {scheduler}")
        yield client


_MEND_TLS = (
    "one with TLS is tls://..., and its certificates are named by distributed.comm.tls in a file "
    "of the folder $DASK_CONFIG"
)


def _check_scheduler(scheduler: str) -> None:
    """Try the address: Dask itself would try for long."""
    where = urlsplit(scheduler)
    try:
        known = where.scheme in ("tcp", "tls") and where.hostname and where.port
    except ValueError:
        known = None
    if not known:
        raise UsageError(f"--dask-scheduler {scheduler}: it must be tcp://host:port or tls://host:port")
    try:
        socket.create_connection((where.hostname, where.port), _CONNECT_S).close()
    except OSError as error:
        reason = error.strerror or os.strerror(error.errno or 0)
        raise UsageError(
            f"--dask-scheduler {scheduler}: nobody answers there ({reason}); is it up, the port right?"
        ) from None
