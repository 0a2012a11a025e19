"""One run: open the input, run the algorithm on its engine, and write what it publishes."""

from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import TypeVar

from common.errors import RunFailedError
from common.events.catalogue.run import CheckpointSkipped, Labels, Result
from common.events.log import View
from common.model import Buffer
from common.store.files import remove_leftovers, write_whole
from common.store.folders import DataDir
from master.algorithms.base import Algorithm, Checkpoints, NoCheckpoints, Published
from master.options.config import RunConfig
from master.run.checkpoint_file import Found, Subject, find_checkpoint
from master.run.checkpoints import CheckpointWriter
from master.run.session import Session, open_session, open_source

_Result = TypeVar("_Result")


def run(config: RunConfig, algorithm: Algorithm[_Result], view: View) -> Published:
    """Run an algorithm from the opened input to the written result."""
    with open_source(config, algorithm.file_names) as source, ExitStack() as stack:
        algorithm.check(source.file.input)
        data_dir = source.data_dir
        subject = Subject.of(source.file.input, algorithm.parameters())
        found = find_checkpoint(data_dir, subject, algorithm.iterations) if config.files.resume else None
        written = [data_dir.result(name) for name in algorithm.file_names]
        parameters = algorithm.parameters() | {"--iters": str(algorithm.iterations or "")}
        session = stack.enter_context(open_session(config, source, view, *written, parameters=parameters))
        checkpoints: Checkpoints = NoCheckpoints()
        if algorithm.iterations:
            checkpoints = stack.enter_context(_checkpoints(data_dir, session, subject, found))
        result = algorithm.run(session.engine, source.file.input, session.log, checkpoints)
        published = algorithm.publish(result)
        _write_published(config, data_dir, session, published)
        if isinstance(checkpoints, CheckpointWriter):
            checkpoints.remove()
        return published


def _checkpoints(
    data_dir: DataDir, session: Session, subject: Subject, found: Found | None
) -> CheckpointWriter:
    for path, reason in ({} if found is None else found.unusable).items():
        session.log.event(CheckpointSkipped(file=str(path), reason=reason))
    return CheckpointWriter(data_dir, subject, found, session.log, session.previous.discard)


def _write_published(config: RunConfig, data_dir: DataDir, session: Session, published: Published) -> None:
    """Write the labels, if asked for, and the files."""
    if config.labels is not None and published.labels is not None:
        pieces = session.engine.map_only(published.labels.job, published.labels.state)
        _write(config.labels, pieces, f"--labels {config.labels}")
        session.log.event(Labels(file=str(config.labels)))
    for file in published.files:
        path = data_dir.result(file.name)
        _write(path, [file.content], str(path))
        session.log.event(Result(file=str(path)))


def _write(path: Path, pieces: Iterable[Buffer], what: str) -> None:
    """Write a result, whole or not at all."""
    try:
        remove_leftovers(path)
        with write_whole(path, durable=True) as out:
            for piece in pieces:
                out.write(piece)
    except OSError as error:
        raise RunFailedError(f"{what}: {error.strerror}") from None
