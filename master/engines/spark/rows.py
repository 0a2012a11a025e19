"""Where Spark's executors get their rows from: a file that all can read, or what Spark reads itself."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Self

from common.engines.on_spark import count_lines, first_lines, store_lines, store_numbered
from common.engines.rows import FilePart
from common.errors import EmptyInputError, InputError, RunFailedError, UsageError
from common.formats.columns import ColumnChoice, as_chosen, choose
from common.formats.content import format_of_bytes, is_compressed, refuse_text_options
from common.formats.dataset import InputFile, open_alike, plan_splits, whole_of
from common.formats.layout import HEAD_ROWS, TEXT_DEFAULTS, TextOptions, layout_of
from common.formats.line_index import PLAIN
from common.model import Input, InputFormat
from master.engines.spark.connect import connect, translated_errors, wait_for
from master.engines.spark.storage import StoredFile, files_at, first_bytes, refuse_patterns, refused
from master.options.groups import InputOptions, RunConfig

if TYPE_CHECKING:
    from pyspark import RDD, SparkContext

_DELIMITER = "textinputformat.record.delimiter"
_OTHER_FORMAT = "Spark reads only text and Parquet by address; convert the {} file to Parquet"
_EMPTY = "the table is empty; it needs at least one row and one column"
_NUMBERS = ("boolean", "tinyint", "smallint", "int", "bigint", "float", "double", "decimal")
TEXT = "string"
"""The type of a data frame's column of texts."""


@dataclass(frozen=True)
class SparkRows:
    """The input's rows: an RDD with a `Part` in each partition, and the first row of each."""

    parts: "RDD[Any]"
    row_starts: tuple[int, ...]
    rows: int
    kept: "tuple[RDD[Any], ...]" = ()
    """Those among what `parts` is made of that Spark remembers."""

    @classmethod
    def of_file(cls, context: "SparkContext", file: InputFile, partitions: int) -> Self:
        """Cut a file that every executor can read at the same path; each reads its splits itself."""
        splits = plan_splits(file, partitions)
        parts = context.parallelize([FilePart(file.source_of(split), split) for split in splits], len(splits))
        return cls(parts, tuple(split.row_start for split in splits), file.input.rows)

    @classmethod
    def stored(cls, stored: "RDD[Any]") -> Self:
        """Have Spark deliver rows, once, to its Python processes, which keep them in files.

        Spark remembers only where they are, and makes them again when an executor is lost. A partition of the
        RDD has a `StoredPart`, or the text of what is wrong with the input, for which InputError is raised.
        """
        from pyspark import StorageLevel

        stored.persist(StorageLevel.MEMORY_AND_DISK)
        with translated_errors():
            found = wait_for(stored.collect)
        if refusal := next((part for part in found if isinstance(part, str)), None):
            stored.unpersist()
            raise InputError(refusal)
        *starts, rows = accumulate((part.rows for part in found), initial=0)
        if any(part.first not in (-1, start) for part, start in zip(found, starts, strict=True)):
            raise RunFailedError("Spark returned the partitions in another order than the rows")
        return cls(stored, tuple(starts), rows, (stored,))

    @classmethod
    def one_after_the_other(cls, files: Sequence[Self]) -> Self:
        """Put the rows of files together, in their order."""
        parts = files[0].parts.context.union([file.parts for file in files])
        *starts, rows = accumulate((file.rows for file in files), initial=0)
        row_starts = (
            start + row for start, file in zip(starts, files, strict=True) for row in file.row_starts
        )
        return cls(parts, tuple(row_starts), rows, tuple(kept for file in files for kept in file.kept))

    def renew(self) -> None:
        """Forget where rows are stored, so that they are made again."""
        for kept in self.kept:
            kept.unpersist(blocking=True)
            kept.persist()


@dataclass(frozen=True, kw_only=True)
class UriFile(InputFile):
    """An input whose rows Spark's executors keep already."""

    stored: SparkRows


def open_address(config: RunConfig, stack: ExitStack) -> UriFile:
    """Connect, and have Spark read an address: hdfs://, s3a://, file:// and whatever else it is set up for.

    UsageError: lines of text are to be read, or an option does not apply.
    """
    uri = config.input.input
    if config.input.reads_lines:
        raise UsageError(f"--input {uri}: lines of text are read from files, not addresses")
    if config.text.comment is not None or config.text.skip_rows:
        raise UsageError(f"--input {uri}: --comment and --skip-rows are for files, not for addresses")
    refuse_patterns(uri)
    cluster = config.cluster
    connection = connect(cluster.spark_master, cluster.spark_settings, cluster.cluster_timeout)
    context, partitions = stack.enter_context(connection), config.workers.mappers
    return open_uri(context, config.input, config.columns, partitions, config.text)


def open_uri(
    context: "SparkContext",
    options: InputOptions,
    choice: ColumnChoice,
    partitions: int,
    text: TextOptions = TEXT_DEFAULTS,
) -> UriFile:
    """Have Spark read a file, text or Parquet, or a folder of such files, and its executors keep the rows.

    UserError: it can't be read, is of another kind, has invalid content, or has no such columns.
    """
    found = files_at(context, options.input)
    if isinstance(found, StoredFile):
        return _open_file(context, options, choice, partitions, found, text)
    each = partial(_open_file, context, options, choice, -(-partitions // len(found)))
    files = open_alike(options.input, found, each, text)
    whole = whole_of(options.input, [file.input for file in files])
    stored = SparkRows.one_after_the_other([file.stored for file in files])
    return UriFile(input=whole, header=files[0].header, stored=stored)


def _open_file(
    context: "SparkContext",
    options: InputOptions,
    choice: ColumnChoice,
    partitions: int,
    file: StoredFile,
    text: TextOptions,
) -> UriFile:
    uri = file.uri
    source = Input(uri, InputFormat.TEXT, PLAIN, 0, (), 0, file.size_bytes, file.mtime_ns, options.dtype)
    head = first_bytes(context, uri)
    kind = InputFormat.TEXT if is_compressed(head) else format_of_bytes(uri, head)  # Spark unpacks text
    if text.repeated is None:
        refuse_text_options(uri, kind, text)
    if kind is InputFormat.TEXT:
        return _open_text(context, source, choice, text, partitions)
    if kind is InputFormat.PARQUET:
        return _open_parquet(context, source, choice)
    raise InputError.at(uri, _OTHER_FORMAT.format(kind))


def is_number(kind: str) -> bool:
    """Tell whether a data frame's column of this type can be clustered; "decimal(10,2)" is one."""
    return kind.partition("(")[0] in _NUMBERS


def _open_text(
    context: "SparkContext", source: Input, choice: ColumnChoice, text: TextOptions, partitions: int
) -> UriFile:
    lines = _lines(context, source.path, partitions)
    with refused(source.path):
        head = wait_for(
            partial(lines.mapPartitionsWithIndex(partial(first_lines, HEAD_ROWS)).take, HEAD_ROWS)
        )
    layout = layout_of(source.path, [(number, text) for _, number, text in head], choice, text)
    columns = layout.chosen.columns
    used = tuple(layout.names[column] for column in columns) if layout.names else ()
    source = replace(source, dialect=layout.dialect, fields=layout.fields, columns=columns, names=used)
    source = as_chosen(source, choice, layout.chosen.texts)
    store = partial(store_lines, source, head[layout.first][:2])
    try:
        stored = SparkRows.stored(lines.mapPartitionsWithIndex(partial(store, None)))
    except InputError:  # it is in a partition whose first line's number nobody knows yet
        with translated_errors():
            counts = wait_for(lines.mapPartitionsWithIndex(count_lines).collect)
        before = tuple(accumulate(counts, initial=0))
        stored = SparkRows.stored(lines.mapPartitionsWithIndex(partial(store, before)))
    found = replace(source, rows=stored.rows)
    return UriFile(input=found, header=layout.names, stored=stored)


def _lines(context: "SparkContext", uri: str, partitions: int) -> "RDD[Any]":
    """Read lines that end at line feeds alone, as in every text file here."""
    hadoop = context._jsc.hadoopConfiguration()
    before = hadoop.get(_DELIMITER)
    hadoop.set(_DELIMITER, "\n")
    try:
        return context.textFile(uri, partitions, use_unicode=False)  # copies the settings
    finally:
        hadoop.unset(_DELIMITER) if before is None else hadoop.set(_DELIMITER, before)


def _open_parquet(context: "SparkContext", source: Input, choice: ColumnChoice) -> UriFile:
    from pyspark.sql import SparkSession

    if choice.keeps_missing:
        raise UsageError(f"{source.path}: --missing is for files and for text, not for Parquet at an address")

    with refused(source.path):
        frame = SparkSession(context).read.parquet(source.path)
        kinds = dict(frame.dtypes)
    names = frame.columns
    if not names:
        raise EmptyInputError.at(source.path, _EMPTY)
    index = _stored_index(context, source.path) if choice.wanted is None else []
    data = [column for column, name in enumerate(names) if name not in index]
    texts = [column for column, name in enumerate(names) if kinds[name] == TEXT]
    columns, as_texts, _ = choose(source.path, choice, names, data, len(names), texts)
    for i, column in enumerate(columns):
        if not is_number(kind := kinds[names[column]]) and not (i in as_texts and kind == TEXT):
            what = f"column '{names[column]}' holds {kind}, not numbers; choose others with --columns"
            raise InputError.at(source.path, what, column=column + 1)
    used = tuple(names[column] for column in columns)
    source = replace(source, format=InputFormat.PARQUET, fields=len(names), columns=columns, names=used)
    source = as_chosen(source, choice, as_texts)
    quoted = [frame["`" + names[column].replace("`", "``") + "`"] for column in columns]
    chosen = frame.select(frame["_metadata.row_index"], *quoted)
    stored = SparkRows.stored(chosen.rdd.mapPartitionsWithIndex(partial(store_numbered, source)))
    if not stored.rows:
        raise EmptyInputError.at(source.path, _EMPTY)
    return UriFile(input=replace(source, rows=stored.rows), stored=stored)


def _stored_index(context: "SparkContext", uri: str) -> list[str]:
    """Return the columns of a Parquet file in which pandas has stored the index."""
    from common.formats.tables import pandas_index

    jvm: Any = context._jvm
    with refused(uri):
        configuration, path = context._jsc.hadoopConfiguration(), jvm.org.apache.hadoop.fs.Path(uri)
        footer = jvm.org.apache.parquet.hadoop.ParquetFileReader.readFooter(configuration, path)
        return pandas_index(footer.getFileMetaData().getKeyValueMetaData().get("pandas") or "{}")
