"""The command `palette`: a photo in exactly K colours, the same on every engine."""

import json
from pathlib import Path

from sklearn.datasets import load_sample_image

from tests.end_to_end.test_bad_input import refuse
from tests.end_to_end.test_page import snapshot_in
from tests.master.algorithms.palette.pictures import (
    counted,
    entries_in_file,
    noise,
    palette_of,
    pixels_of,
    save,
)
from tests.programs import run_here


def reduce(folder: Path, *more: object) -> str:
    """Reduce in.png to out.png; return what the screen shows."""
    ended = run_here(folder, "palette", "--input", "in.png", "--output", "out.png", *more)
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout


def test_a_photo_in_64_colours(tmp_path: Path) -> None:
    """The error is that of the best: octrees have 108, median cut 73."""
    photo = load_sample_image("china.jpg")
    save(tmp_path, photo)
    shown = reduce(tmp_path, "--k", 64, "--engine", "inline", "--report", "run.html")
    found = pixels_of(tmp_path)
    error = float(((found[..., :3].astype(float) - photo) ** 2).mean())
    assert error <= 38
    assert f"\n64 colours, mean squared error {error:.4g}\n" in shown
    assert entries_in_file(tmp_path) == 64
    palette = palette_of(tmp_path)
    assert dict(palette) == counted(found)
    assert len(palette) == 64
    assert snapshot_in(tmp_path / "run.html")["palette"] == [[name, used] for name, used in palette]
    assert [count for _, count in palette] == sorted((count for _, count in palette), reverse=True)


def test_the_same_bytes_for_any_number_of_workers(tmp_path: Path) -> None:
    save(tmp_path, noise(60, 80, 4))
    reduce(tmp_path, "--k", 12, "--engine", "inline")
    expected = {name: (tmp_path / name).read_bytes() for name in ("out.png", "palette.txt")}
    for m, r in ((1, 2), (3, 1)):
        reduce(tmp_path, "--k", 12, "--mappers", m, "--reducers", r)
        assert {name: (tmp_path / name).read_bytes() for name in expected} == expected
        assert {path.name for path in (tmp_path / "data").iterdir()} == {"mappers", "reducers"}


def test_the_summary_names_the_files_where_they_are(tmp_path: Path) -> None:
    save(tmp_path, noise())
    (tmp_path / "made").mkdir()
    asked = ["--input", "in.png", "--output", "made/out.png", "--k", 4, "--engine", "inline", "--json"]
    found = json.loads(run_here(tmp_path, "palette", *asked).stdout)
    assert found["files"] == ["made/out.png", "made/palette.txt"]
    assert all((tmp_path / name).exists() for name in found["files"])


def test_a_refusal_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "in.png").write_bytes(b"hello")
    line = refuse(tmp_path, "palette", "--input", "in.png", "--output", "out.png", "--k", 4)
    assert line.startswith("in.png: not a picture of a known format (PNG, JPEG, ")


def test_a_dry_run_says_how_the_picture_is_understood(tmp_path: Path) -> None:
    save(tmp_path, noise(channels=1))
    assert ": 192 rows, 1 column\n" in reduce(tmp_path, "--k", 4, "--dry-run")
    assert [path.name for path in tmp_path.iterdir()] == ["in.png"]
