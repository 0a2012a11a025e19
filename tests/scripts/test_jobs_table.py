"""The generated table of jobs: the committed one, its rule, and its cut into files."""

import csv
from collections import Counter
from pathlib import Path

from click.testing import CliRunner

from scripts.jobs_table import main
from tests.programs import ROOT

INPUT = ROOT / "data" / "input"
LOW = {"AI Engineer", "Research Scientist", "Nurse", "Teacher", "Doctor"}
HIGH = {"Truck Driver", "Customer Support", "Construction Worker", "Security Guard", "Retail Worker"}


def generate(path: Path, *options: str) -> Path:
    result = CliRunner().invoke(main, [*options, str(path)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return path


def body(path: Path) -> list[str]:
    return path.read_text().splitlines()[1:]


def test_the_samples_are_the_generated_ones(tmp_path: Path) -> None:
    assert generate(tmp_path / "jobs.csv").read_bytes() == (INPUT / "jobs.csv").read_bytes()
    folder = generate(tmp_path / "jobs", "--files", "3")
    parts = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert parts == {path.name: path.read_bytes() for path in (INPUT / "jobs").iterdir()}
    assert set(parts) == {"part-1.csv", "part-2.csv", "part-3.csv"}


def test_the_files_of_a_folder_are_the_table_in_the_order_of_their_names(tmp_path: Path) -> None:
    whole = generate(tmp_path / "jobs.csv", "--rows", "35", "--seed", "3")
    folder = generate(tmp_path / "jobs", "--rows", "35", "--seed", "3", "--files", "12")
    files = sorted(folder.iterdir())
    assert [line for file in files for line in body(file)] == body(whole)
    assert {file.read_text().splitlines()[0] for file in files} == {whole.read_text().splitlines()[0]}


def test_a_class_follows_from_the_probability_and_that_from_the_title() -> None:
    with (INPUT / "jobs.csv").open() as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        p, title = float(row["Automation_Probability_2030"]), row["Job_Title"]
        assert row["Risk_Category"] == ("Low" if p <= 0.3 else "Medium" if p <= 0.7 else "High")
        low, high = (0.05, 0.3) if title in LOW else (0.7, 0.95) if title in HIGH else (0.3, 0.7)
        assert low <= p <= high
        assert 30_000 <= int(row["Average_Salary"]) < 150_000
        assert 0 <= int(row["Years_Experience"]) < 30
        assert 0.5 <= float(row["Tech_Growth_Factor"]) <= 1.5
    assert len(rows) == 3000
    assert len(rows[0]) == 18
    assert len({row["Job_Title"] for row in rows}) == 20
    classes = Counter(row["Risk_Category"] for row in rows)
    assert abs(classes["Medium"] - 1500) < 110  # four standard deviations
    assert abs(classes["Low"] - 750) < 95
    assert abs(classes["High"] - 750) < 95
