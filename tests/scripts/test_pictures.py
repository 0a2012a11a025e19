"""The pictures of the documentation are small and shown, and the commands that make them work."""

import re
import struct
from pathlib import Path

import pytest
from click.testing import CliRunner

from scripts.pictures.__main__ import PICTURES, main
from tests.browser import needs_browser
from tests.programs import ROOT

KEPT = sorted((ROOT / "docs" / "pictures").iterdir())
PAGES = "".join(path.read_text() for path in [ROOT / "README.md", *ROOT.glob("docs/*.md")])
LARGEST_BYTES = 200_000


def made(folder: Path, *names: str) -> None:
    ended = CliRunner().invoke(main, [*names, "--out", str(folder)], catch_exceptions=False)
    assert ended.exit_code == 0, ended.output


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.name)
def test_each_is_small_and_shown_by_a_page(path: Path) -> None:
    assert path.stat().st_size < LARGEST_BYTES
    assert re.search(rf"pictures/{re.escape(path.name)}\)", PAGES)


def test_the_terminal_shows_the_end_of_a_run_and_loads_nothing(tmp_path: Path) -> None:
    made(tmp_path, "terminal")
    drawn = (tmp_path / "terminal.svg").read_text().replace("&#160;", " ")
    assert "data/centroids.txt" in drawn
    assert "9.547368421052632,1.0473684210526315" in drawn
    assert "url(http" not in drawn
    assert "tasks, shift" not in drawn  # the bar, which is gone at the end


@pytest.mark.slow
@needs_browser
def test_parts_of_reports_are_drawn(tmp_path: Path) -> None:
    made(tmp_path, "run", "elbow", "palette")
    sizes = {"report": 600, "scatter": 600, "elbow": 400, "palette": 200}
    for name in sizes:
        written = (tmp_path / f"{name}.png").read_bytes()
        assert len(written) < LARGEST_BYTES
        width, height = struct.unpack(">II", written[16:24])
        assert width > 500, name
        assert height > sizes[name], name


def test_what_is_missing_is_said_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scripts.pictures.clusters.which", lambda _: None)
    ended = CliRunner().invoke(main, ["spark", "--out", str(tmp_path)], catch_exceptions=False)
    assert ended.output.splitlines() == ["spark: it needs Java 17, and pyspark: pip install '.[spark]'"]
    assert set(PICTURES) == {"terminal", "run", "elbow", "palette", "spark", "dask"}
