"""One run: open the input, run the algorithm on its engine, write and tell what it publishes."""

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TypeVar

from common.errors import RunFailedError, UsageError, refusal_of
from common.events.catalogue.run import CheckpointSkipped, CompilingKernels, Labels, Result
from common.events.log import View
from common.jobs.base import Job
from common.model import Buffer
from common.store.files import resolve, spare_descriptors, write_result
from master.algorithms.base import Algorithm, Published
from master.options.groups import RunConfig
from master.run.checkpoint_file import Subject, find_checkpoint
from master.run.checkpoints import CheckpointWriter
from master.run.first_use import waits_for_kernels
from master.run.sample import log_sample
from master.run.session import Session, Source, open_session, open_source

_Result = TypeVar("_Result")


def run(
    config: RunConfig, algorithm: Algorithm[_Result], view: View, tell: Callable[[Published], None]
) -> None:
    """Run an algorithm from the opened input to the written result.

    The result is told before the workers end: in containers, the end of a worker may end the master, too.
    """
    parameters, iterations = algorithm.parameters(), algorithm.iterations
    with open_source(config, algorithm.file_names) as source:
        found_input, data_dir = source.file.input, source.data_dir
        if config.choice.ids is not None and not source.file.ids.columns:
            raise UsageError("--id needs an --input of files on this machine, where the ids are read")
        _check_ids(config, source)
        algorithm.check(found_input)
        subject = Subject.of(found_input, parameters)
        check = partial(algorithm.check_progress, found_input)
        found = find_checkpoint(data_dir, subject, iterations, check) if config.files.resume else None
        shown = parameters | {"--iters": str(iterations or "")}
        with open_session(config, source, view, shown, resumable=iterations > 0) as session:
            log, discard = session.log, session.previous.discard
            for path, reason in found.skipped.items() if found else ():
                log.event(CheckpointSkipped(file=str(path), reason=reason))
            if waits_for_kernels(found_input):
                log.event(CompilingKernels())
            if config.sample:
                log_sample(session.engine, found_input.rows, config.sample, log)
            with CheckpointWriter(data_dir, subject, found, log, discard) as checkpoints:
                with spare_descriptors():
                    result = algorithm.run(session.engine, found_input, log, checkpoints)
                published = algorithm.publish(result)
                _write_published(config, source, session, published)
                if iterations:
                    checkpoints.remove()
            session.show_all()
            tell(published)


def _write_published(config: RunConfig, source: Source, session: Session, published: Published) -> None:
    """Write the files, which are safe then, and the labels, if asked for."""
    for file in published.files:
        shown = file.path(source.data_dir.root)
        path = source.data_dir.real / file.name if file.folder is None else resolve(shown)
        _write(path, [file.content], str(shown))
        session.log.event(Result(file=str(shown)))
    if source.labels is not None and published.labels is not None:
        pieces = session.engine.map_only(published.labels.job, published.labels.state)
        if _is_table(config, published.labels.job):
            from master.run.labels import label_table  # it imports pyarrow

            pieces = label_table(Path(str(config.labels)), source.file, pieces)
        _write(source.labels, pieces, f"--labels {config.labels}")
        session.log.event(Labels(file=str(config.labels)))


def _check_ids(config: RunConfig, source: Source) -> None:
    """Raise UsageError before any work if the table of labels cannot hold the ids."""
    if config.choice.ids is not None:
        from master.run.labels import schema_of_ids

        schema_of_ids(Path(str(config.labels)), source.file)


def _is_table(config: RunConfig, job: Job) -> bool:
    """Tell whether labels become a table: numbers do; texts are written as lines."""
    return job.key_type is int and (
        config.choice.ids is not None or Path(str(config.labels)).suffix == ".parquet"
    )


def _write(path: Path, pieces: Iterable[Buffer], what: str) -> None:
    """Write a result, whole or not at all."""
    try:
        with write_result(path) as out:
            for piece in pieces:
                out.write(piece)
    except OSError as error:
        unnamed = OSError(error.errno, error.strerror)  # it has the name of a temporary file
        raise RunFailedError(f"{what}: {refusal_of(unnamed)}") from None
