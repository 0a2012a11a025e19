"""Word count over a million words equals `collections.Counter`, on the engines inline and grpc."""

import os
import signal
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from common.errors import InputError
from common.events.catalogue.tasks import FAILURE, RpcCall, RpcResponse
from common.events.catalogue.workers import WorkerStarted
from common.events.line import Entry
from common.formats.dataset import open_lines
from common.jobs.wordcount import WordCount
from common.kernels.grouping import partition_of
from common.model import RecordFormat, Records, TaskOptions
from common.records import decode
from master.engines.inline import InlineEngine
from master.views.terminal import Screen
from tests.engines.local_grpc import grpc_engine
from tests.engines.words import counted_by, write_words


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Counter[str]]:
    path = tmp_path_factory.mktemp("text") / "words"
    return path, write_words(path)


@pytest.mark.parametrize("combine", [False, True])
def test_inline(text: tuple[Path, Counter[str]], combine: bool) -> None:
    path, expected = text
    engine = InlineEngine(open_lines(path), combine=combine, threads=2)
    assert counted_by(engine) == expected


@pytest.mark.parametrize(
    ("m", "r", "combine", "kind"),
    [
        (1, 2, True, RecordFormat.TEXT),
        (3, 2, False, RecordFormat.TEXT),
        (2, 3, True, RecordFormat.ARROW),
        (2, 1, False, RecordFormat.ARROW),
    ],
)
def test_grpc(
    tmp_path: Path, text: tuple[Path, Counter[str]], m: int, r: int, combine: bool, kind: RecordFormat
) -> None:
    path, expected = text
    options = TaskOptions(combine=combine, intermediate=kind)
    with grpc_engine(tmp_path, open_lines(path), m, r, options) as engine:
        assert counted_by(engine) == expected
        check_partitions(tmp_path, m * r, r, kind)


def check_partitions(folder: Path, files: int, r: int, kind: RecordFormat) -> None:
    """Each file is sorted by key and has the keys of its partition alone."""
    partitions = list(folder.glob("data/mappers/M*/**/partition_*"))
    assert len(partitions) == files
    for file in partitions:
        records = Records.concatenate(decode(file.read_bytes(), kind, str))
        distinct = list(dict.fromkeys(records.keys.tolist()))
        assert distinct == sorted(distinct)
        assert {partition_of(key, r) for key in distinct} == {int(file.stem.split("_")[1]) - 1}


class Killer(Screen):
    """Kills the first mapper once, when one was told to map."""

    def __init__(self) -> None:
        self.victim: int | None = None
        self.failed = False

    def show(self, entries: Sequence[Entry]) -> None:
        for event in [entry.event for entry in entries]:
            if isinstance(event, WorkerStarted) and event.worker == "M1" and event.incarnation == 1:
                self.victim = event.pid
            if isinstance(event, RpcCall) and event.method == "Map" and self.victim is not None:
                os.kill(self.victim, signal.SIGKILL)
                self.victim = None
            self.failed |= isinstance(event, RpcResponse) and event.status == FAILURE


@pytest.mark.parametrize("combine", [False, True])
def test_a_mapper_is_killed(tmp_path: Path, text: tuple[Path, Counter[str]], combine: bool) -> None:
    path, expected = text
    view = Killer()
    with grpc_engine(tmp_path, open_lines(path), 2, 2, TaskOptions(combine=combine), view=view) as engine:
        assert counted_by(engine) == expected
    assert view.failed


def test_words_in_the_order_of_the_input(tmp_path: Path) -> None:
    path = tmp_path / "words"
    path.write_text('b a\n\n"b" b\n')
    inline = InlineEngine(open_lines(path), combine=True)
    expected = b'b,1\na,1\n"""b""",1\nb,1\n'
    assert b"".join(map(bytes, inline.map_only(WordCount(), {}))) == expected
    options = TaskOptions(combine=True, intermediate=RecordFormat.ARROW)
    with grpc_engine(tmp_path, open_lines(path), 2, 1, options) as engine:
        assert b"".join(map(bytes, engine.map_only(WordCount(), {}))) == expected


def test_bytes_that_are_no_text_are_refused_by_line(tmp_path: Path) -> None:
    path = tmp_path / "words"
    path.write_bytes(b"a b\n\nc \xff d\ne\n")
    message = f"^{path}, line 3: byte 0xff is not UTF-8"
    with pytest.raises(InputError, match=message):
        InlineEngine(open_lines(path), combine=True)
    with (
        grpc_engine(tmp_path, open_lines(path), 2, 1) as engine,
        pytest.raises(InputError, match=message),
    ):
        counted_by(engine)
