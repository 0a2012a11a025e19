"""How an error of ours crosses the wire and becomes the same error again, and which calls are made again."""

from typing import cast

import grpc
from google.protobuf.message import DecodeError
from grpc import StatusCode

from common.errors import (
    BadRequestError,
    FetchFailedError,
    InjectedFailureError,
    InputError,
    MapReduceError,
    OutputLostError,
    RunFailedError,
    StaleAttemptError,
    SystemRefusalError,
    TaskError,
    refusal_of,
)
from protos import mapreduce_pb2 as pb

_METADATA = "mapreduce-error-bin"
_MOST_CHARACTERS = 400
"""Of a text. Each may take twelve bytes; a status and its metadata of more than 8 KiB would not arrive."""


_FAULTS: dict[type[MapReduceError], tuple[StatusCode, pb.ErrorDetail.Kind.ValueType]] = {
    BadRequestError: (StatusCode.INVALID_ARGUMENT, pb.ErrorDetail.KIND_UNSPECIFIED),
    InputError: (StatusCode.INVALID_ARGUMENT, pb.ErrorDetail.KIND_INPUT),
    InjectedFailureError: (StatusCode.ABORTED, pb.ErrorDetail.KIND_INJECTED),
    StaleAttemptError: (StatusCode.FAILED_PRECONDITION, pb.ErrorDetail.KIND_STALE),
    OutputLostError: (StatusCode.NOT_FOUND, pb.ErrorDetail.KIND_OUTPUT_LOST),
    SystemRefusalError: (StatusCode.RESOURCE_EXHAUSTED, pb.ErrorDetail.KIND_SYSTEM),
    FetchFailedError: (StatusCode.ABORTED, pb.ErrorDetail.KIND_FETCH_FAILED),
}
_KINDS = {kind: error for error, (_, kind) in _FAULTS.items() if kind}


class UnreachableError(TaskError):
    """The peer did not answer."""


class TimedOutError(TaskError):
    """The peer did not answer in time."""


class DamagedFileError(TaskError):
    """A file did not arrive as its writer committed it."""


_UNANSWERED = {StatusCode.UNAVAILABLE: UnreachableError, StatusCode.DEADLINE_EXCEEDED: TimedOutError}


def answer_with(error: Exception, context: grpc.ServicerContext) -> None:
    """End a call with an error of ours, or what the system refused; return if it is neither."""
    if text := refusal_of(error):
        error = SystemRefusalError(text)
    if not isinstance(error, MapReduceError) or type(error) not in _FAULTS:
        return
    code, kind = _FAULTS[type(error)]
    detail = pb.ErrorDetail(kind=kind)
    if isinstance(error, FetchFailedError):
        detail.lost.task, detail.lost.attempt = error.task, error.attempt
        detail.lost.unreachable, detail.lost.reason = error.unreachable, error.reason[:_MOST_CHARACTERS]
    if kind:
        context.set_trailing_metadata(((_METADATA, detail.SerializeToString()),))
    context.abort(code, str(error)[:_MOST_CHARACTERS])


def error_of(failed: grpc.RpcError) -> MapReduceError:
    """Turn a failed call back into the error that its server raised.

    If the server raised none: UnreachableError or TimedOutError if the peer did not answer, RunFailedError if
    it rejected this process, else a plain TaskError.
    """
    assert isinstance(failed, grpc.Call)
    code, text = failed.code(), failed.details() or ""
    if (ours := _our_error(failed, text)) is not None:
        return ours
    if code in (StatusCode.PERMISSION_DENIED, StatusCode.UNIMPLEMENTED):
        return RunFailedError(f"{code.name} (another role or version)")
    if code is StatusCode.CANCELLED:
        text = "the connection was closed"  # gRPC's own words are about its streams
    return _UNANSWERED.get(code, TaskError)(f"{code.name}: {text}")


def _our_error(failed: grpc.Call, text: str) -> MapReduceError | None:
    """Return the error that the call's detail names, if it has one."""
    data = dict(failed.trailing_metadata() or ()).get(_METADATA, b"")
    try:
        detail = pb.ErrorDetail.FromString(cast("bytes", data))
    except DecodeError:
        return None
    if detail.kind == pb.ErrorDetail.KIND_FETCH_FAILED:
        lost = detail.lost
        return FetchFailedError(lost.task, lost.attempt, lost.unreachable, lost.reason)
    return _KINDS[detail.kind](text) if detail.kind in _KINDS else None


_PASSING = {UnreachableError, TaskError}
"""The connection broke, or the server failed in a way that says nothing about the request."""


def may_fetch_again(error: MapReduceError) -> bool:
    """Tell whether to fetch a partition again; not if the mapper says that it has lost it."""
    return type(error) in {*_PASSING, DamagedFileError}


def may_join_later(error: MapReduceError) -> bool:
    """Tell whether to ask the master again; not if it rejects this worker."""
    return type(error) in {*_PASSING, TimedOutError}
