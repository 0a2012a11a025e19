"""Bad tables and bad models: one line, exit code 2, nothing written. Odd ones that are good are read."""

import gzip
import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
import pytest

from common.formats.texts import MOST_TEXTS
from tests.programs import run_here

Content: TypeAlias = str | bytes | pd.DataFrame | np.ndarray[Any, Any]
Edit: TypeAlias = Callable[[dict[str, Any]], object]
GAP = "to go on without what is missing: --missing mean"
CATEGORIES = "(if the column holds categories: fit with --categories x)"
NO_ROW = "no row is left to train with; choose a smaller --test, or another --missing or --target"
QUOTE = 'a quote " is not at both ends of a field (if it is part of a text: --quote none)'
AGAIN = "; give the model.json of a run of classify"


def rows(n: int = 12, **columns: object) -> str:
    """Return rows of x,k,c; a column may have another value in all of them."""
    made = ({"x": i * 37 % 11, "k": "uvw"[i % 3], "c": "ab"[i * 37 % 11 > 5]} | columns for i in range(n))
    return "".join(",".join(map(str, row.values())) + "\n" for row in made)


GOOD = "x,k,c\n" + rows()
FRAME = pd.DataFrame(
    {
        "x": [i * 37 % 11 for i in range(12)],
        "k": list("uvw" * 4),
        "c": ["ab"[i * 37 % 11 > 5] for i in range(12)],
    }
)


def write(path: Path, content: Content) -> Path:
    if isinstance(content, pd.DataFrame):
        content.to_parquet(path)
    elif isinstance(content, np.ndarray):
        with path.open("wb") as file:
            np.save(file, content)
    else:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


class Program:
    """The command line in this process, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, *arguments: object) -> str:
        """Run a command; return what it said of what is wrong, or nothing."""
        ended = run_here(self.folder, "classify", *arguments, "--engine", "inline", "--quiet")
        assert ended.returncode in (0, 2)
        assert ended.stdout == ""
        return ended.stderr

    def refusal(self, *arguments: object) -> str:
        """Run a command that must be refused in one line, and write nothing; return the line."""
        before = self.contents()
        said = self.run(*arguments)
        assert self.contents() == before
        assert said.startswith("Error: ")
        assert said.count("\n") == 1
        return said.removeprefix("Error: ").rstrip("\n")

    def contents(self) -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in self.folder.rglob("*") if path.is_file()}

    def model(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "data" / "model.json").read_bytes())
        return found


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(tmp_path)


def only(line: str, path: Path) -> str:
    """Return what a line says of a file."""
    return line.removeprefix(str(path)).removeprefix(", ").removeprefix(": ")


TABLES: dict[str, tuple[Content, str, str]] = {
    "empty": ("", "", "the file is empty; expected one row of numbers on each line"),
    "header_alone": ("x,k,c\n", "", "line 1: the file has a header but no row of numbers"),
    "no_header": (rows(), "", "--target: {} has no column 'c'; it has no header line"),
    "target_alone": ("c\na\nb\n", "", " has no column besides --target c"),
    "no_target": (GOOD, "--target z", "--target: {} has no column 'z'; its columns are x, k, c"),
    "two_targets": (GOOD, "--target x,c", "--target x,c names several columns, but must name one"),
    "target_in_columns": (
        GOOD,
        "--columns x,c",
        "--target c is one of the columns to learn from, too; choose another, or leave it out there",
    ),
    "target_in_categories": (
        GOOD,
        "--categories c",
        "--target c is one of the columns to learn from, too; choose another, or leave it out there",
    ),
    "categories_of_none": (
        GOOD,
        "--categories z",
        "--categories: {} has no column 'z'; its columns are x, k, c",
    ),
    "categories_left_out": (
        GOOD,
        "--columns x --categories k",
        "--categories: column 2 of {} is not one of --columns",
    ),
    "one_class": (
        "x,k,c\n" + rows(c="a"),
        "",
        "column 3 ('c'): it holds one class alone, 'a'; choose another --target",
    ),
    "one_row": (
        "x,k,c\n1,u,a\n",
        "",
        "column 3 ('c'): it holds one class alone, 'a'; choose another --target",
    ),
    "no_class": (
        "x,k,c\n" + rows(c=""),
        "--missing mean",
        f"column 3 ('c'): {NO_ROW}",
    ),
    "all_test_rows": (
        GOOD,
        "--test 0.999",
        f"column 3 ('c'): {NO_ROW}",
    ),
    "blank_class": (GOOD + "1,u,\n", "", f"line 14, column 3 ('c'): the field is empty; {GAP}"),
    "missing_class": (GOOD + "1,u,NA\n", "", f"line 14, column 3 ('c'): 'NA' is missing; {GAP}"),
    "one_number_in_two_ways": (
        "x,c\n1,0\n2,1\n3,0.0\n",
        "",
        "row 3, column 2 ('c'): classes '0' and '0.0' are one number written in two ways; "
        "write it in one way",
    ),
    "a_number_as_target": (
        "x,c\n" + "".join(f"{i % 7},{i / 8}\n" for i in range(3000)),
        "",
        "column 2 ('c'): it has 3,000 different texts, and 3,000 classes with 2 parameters each are more "
        "than 3,000 in all; choose another --target",
    ),
    "class_of_test_rows": (
        GOOD + "1,u,z\n",
        "--test 0.3 --seed 2",
        "column 3 ('c'): class 'z' has no training row, only 1 test row; choose another --seed or --test",
    ),
    "word": (
        GOOD + "many,u,a\n",
        "",
        f"line 14, column 1 ('x'): 'many' is not a number {CATEGORIES}",
    ),
    "word_whatever_is_missing": (
        GOOD + "many,u,a\n",
        "--missing skip",
        f"line 14, column 1 ('x'): 'many' is not a number {CATEGORIES}",
    ),
    "nan": (GOOD + "nan,u,a\n", "", f"line 14, column 1 ('x'): 'nan' is not a number ({GAP})"),
    "inf": (GOOD + "inf,u,a\n", "--missing mean", "line 14, column 1 ('x'): 'inf' is not a number"),
    "gap": (
        GOOD + ",u,a\n",
        "",
        f"line 14, column 1 ('x'): the field is empty; every field needs a number ({GAP})",
    ),
    "empty_category": (GOOD + "1,,a\n", "", f"line 14, column 2 ('k'): the field is empty; {GAP}"),
    "only_gaps": (
        "x,k,c\n" + rows(x=""),
        "--missing mean",
        "column 1 ('x'): it holds no number in the training rows; leave it out with --columns, or see "
        "--categories",
    ),
    "too_large": (
        GOOD + "1e300,u,a\n",
        "",
        "line 14, column 1 ('x'): 1e+300 is larger than ±3.12e+144; squared distances would overflow",
    ),
    "much_too_large": (
        GOOD + "9" * 400 + ",u,a\n",
        "",
        f"line 14, column 1 ('x'): {'9' * 39}… does not fit a float64",
    ),
    "too_small": (
        "x,c\n1e-300,a\n2e-300,b\n3e-300,a\n",
        "",
        "column 1 ('x'): its numbers span 2e-300, whose square is 0; multiply them, or leave it out",
    ),
    "quote_never_closed": (GOOD + '1,"u,a\n', "", f"line 14: {QUOTE}"),
    "quote_within": (GOOD + '1,u"v,a\n2,v,b\n', "", f"line 14: {QUOTE}"),
    "quote_closed_early": (GOOD + '1,"u"v,a\n2,v,b\n', "", f"line 14: {QUOTE}"),
    "quote_in_the_header": ('"' + GOOD, "", f"line 1: {QUOTE}"),
    "short_row": (GOOD + "1,u\n", "", "line 14, column 3: 2 columns where 3 are expected"),
    "long_row": (GOOD + "1,u,a,b\n", "", "line 14, column 4: 4 columns where 3 are expected"),
    "latin_1": (
        GOOD.encode() + b"1,\xe9t\xe9,a\n",
        "",
        "line 14, column 2 ('k'): byte 0xe9 is not UTF-8; save the file as UTF-8",
    ),
    "gzip_cut_off": (
        gzip.compress(GOOD.encode())[:-20],
        "",
        "cannot be read: it is compressed by gzip, but damaged or cut off (Compressed file ended before the "
        "end-of-stream marker was reached)",
    ),
    "one_name_twice": (
        "x,x,c\n" + rows(k=1),
        "",
        "column 1 ('x'): column 2 has that name, too; rename one of them",
    ),
    "target_twice": (
        "x,c,c\n" + rows(),
        "",
        "--target c: {} has several columns of that name; say which: 2-3",
    ),
    "no_name": ("x,,c\n" + rows(), "", "column 2: it has no name; give it one, or leave it out"),
    "too_many_texts": (
        "x,k,c\n" + "".join(f"1,w{i},a\n" for i in range(MOST_TEXTS + 1)),
        "",
        "column 2 ('k'): more than 65,536 different texts are neither categories nor classes; leave it out "
        "with --columns, or choose another --target",
    ),
    "many_categories": (
        "x,k,c\n" + "".join(f"1,w{i},{'ab'[i % 2]}\n" for i in range(10_000)),
        "",
        "column 2 ('k'): it has 10,000 different texts, and 2 classes with 10,002 parameters each are more "
        "than 3,000 in all; leave it out with --columns, or use scripts/pipelines/spark_ml_pipeline.py",
    ),
    "unseen_in_training": (
        GOOD + "1,z,a\n",
        "--test 0.3 --seed 2",
        "row 13, column 2 ('k'): 'z' was not seen in training (1 row); to give it no weight: --unseen zero",
    ),
    "parquet_null": (
        FRAME.astype({"x": float}).replace({"x": {0: None}}),
        "",
        f"row 1, column 1 ('x'): the field is empty; {GAP}",
    ),
    "parquet_null_text": (
        FRAME.assign(k=[None, *FRAME["k"][1:]]),
        "",
        f"row 1, column 2 ('k'): the field is empty; {GAP}",
    ),
    "parquet_inf": (
        FRAME.assign(x=[*FRAME["x"][1:], math.inf]),
        "--missing mean",
        "row 12, column 1 ('x'): infinity is not allowed",
    ),
    "parquet_dates": (
        FRAME.assign(d=pd.Timestamp("2026-01-01")),
        "",
        "column 4: column 'd' holds timestamp[us], not numbers; leave it out with --columns x,k",
    ),
    "parquet_dates_as_target": (
        FRAME.assign(c=pd.Timestamp("2026-01-01")),
        "",
        "column 3: column 'c' holds timestamp[us], not numbers; save it as texts",
    ),
    "npy_nan": (
        np.array([[1, 0], [np.nan, 1]]),
        "--target 2",
        f"row 2, column 1: nan is not a number ({GAP})",
    ),
    "npy_has_no_names": (np.eye(2), "", "--target: {} has no column 'c'; it has no header line"),
    "test_of_all": (GOOD, "--test 1", "--test is 1, but must be from 0 to below 1"),
    "l2_negative": (GOOD, "--l2 -1", "--l2 is -1.0, but must be 0 or more"),
    "l2_nan": (GOOD, "--l2 nan", "--l2 is nan, but must be 0 or more"),
    "l2_infinite": (GOOD, "--l2 inf", "--l2 is inf, but must be 1e+100 or less"),
    "l2_word": (GOOD, "--l2 small", "--l2 is small, but must be auto or a number"),
}


@pytest.mark.parametrize("name", TABLES)
def test_a_table_that_is_refused(program: Program, tmp_path: Path, name: str) -> None:
    content, options, message = TABLES[name]
    path = write(tmp_path / "table", content)
    line = program.refusal("--input", path, "--target", "c", *options.split())
    assert line in {message.format(path), f"{path}, {message}", f"{path}: {message}", f"{path}{message}"}


def test_an_earlier_model_stays(program: Program, tmp_path: Path) -> None:
    """A run that its rows end leaves the result of the run before."""
    path = write(tmp_path / "table", GOOD)
    assert program.run("--input", path, "--target", "c") == ""
    write(path, GOOD + "many,u,a\n")
    assert "'many'" in program.refusal("--input", path, "--target", "c")


FOLDERS = {
    "other_columns": ("x,k,z,c\n1,u,3,a\n", "line 1: its first row seems to be a header"),
    "other_order": ("c,k,x\na,u,1\n", "line 1: its first row seems to be a header"),
    "a_word": (GOOD + "many,u,a\n", "line 14, column 1 ('x'): 'many' is not a number"),
    "a_gap": (GOOD + "1,u,\n", "line 14, column 3 ('c'): the field is empty"),
    "more_columns": (rows().replace(",", ",1,"), "line 1: 5 columns, but the header has 3 names"),
    "other_kinds": ("x,k,c\n1,2,a\n", "its format or its columns are not those of"),
}


@pytest.mark.parametrize("name", FOLDERS)
def test_a_folder_whose_second_file_is_refused(program: Program, tmp_path: Path, name: str) -> None:
    (tmp_path / "d").mkdir()
    write(tmp_path / "d" / "1", GOOD)
    second = write(tmp_path / "d" / "2", FOLDERS[name][0])
    line = program.refusal("--input", tmp_path / "d", "--target", "c")
    assert only(line, second).startswith(FOLDERS[name][1])


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("fitted")
    write(folder / "table", GOOD)
    assert (
        run_here(folder, "classify", "--input", "table", "--target", "c", "--engine", "inline").returncode
        == 0
    )
    return (folder / "data" / "model.json").read_text()


@pytest.fixture
def model(fitted: str, tmp_path: Path) -> Path:
    return write(tmp_path / "model.json", fitted)


NEW: dict[str, tuple[Content, str, str]] = {
    "no_number_column": ("k\nu\nv\n", "", "--model: {} has no column 'x'; its columns are k"),
    "no_category_column": ("x\n1\n2\n", "", "--model: {} has no column 'k'; its columns are x"),
    "no_header": ("0,u\n9,v\n", "", "--model: {} has no column 'x'; it has no header line"),
    "unseen": (
        "x,k\n0,u\n9,zzz\n0,yyy\n1,zzz\n",
        "",
        "row 2, column 2 ('k'): 'zzz' was not seen in training (2 rows); to give it no weight: --unseen zero",
    ),
    "unseen_gap": (
        "x,k\n0,\n9,v\n",
        "--missing mean",
        "row 1, column 2 ('k'): an empty field was not seen in training (1 row); to give it no weight: "
        "--unseen zero",
    ),
    "numbers_for_categories": (
        "x,k\n0,1\n9,2\n",
        "",
        "row 1, column 2 ('k'): '1' was not seen in training (1 row); to give it no weight: --unseen zero",
    ),
    "text_for_a_number": (
        "x,k\n0,u\nmany,v\n",
        "",
        f"line 3, column 1 ('x'): 'many' is not a number {CATEGORIES}",
    ),
    "texts_for_numbers": (
        "x,k\nlow,u\nhigh,v\n",
        "",
        f"line 2, column 1 ('x'): 'low' is not a number {CATEGORIES}",
    ),
    "parquet_texts_for_numbers": (
        FRAME.astype({"x": str}),
        "",
        "column 1: column 'x' holds string, not numbers; save it as numbers",
    ),
    "parquet_dates_for_categories": (
        FRAME.assign(k=pd.Timestamp("2026-01-01")),
        "",
        "column 2: column 'k' holds timestamp[us], not numbers; save it as texts",
    ),
    "skipped_rows": (
        GOOD,
        "--missing skip",
        "Invalid value for '--missing': 'skip' is not one of 'error', 'mean'. (--help lists the options)",
    ),
    "over_the_model": (GOOD, "--labels model.json", "--labels model.json would overwrite what the run reads"),
    "not_a_table": (
        GOOD,
        "--labels classes.parquet",
        "--labels classes.parquet: classes are written as lines of text; "
        "choose a name that does not end in .parquet",
    ),
    "over_the_input": (GOOD, "--labels new", "--labels new would overwrite the input"),
}


@pytest.mark.parametrize("name", NEW)
def test_rows_that_are_not_classified(program: Program, model: Path, tmp_path: Path, name: str) -> None:
    content, options, message = NEW[name]
    path = write(tmp_path / "new", content)
    line = program.refusal(
        *("predict", "--model", model.name, "--input", path, "--labels", "labels", *options.split())
    )
    assert line in {message.format(path), f"{path}, {message}", f"{path}: {message}"}


KNOWN: dict[str, tuple[Content, str, str]] = {
    "no_target": ("x,k\n0,u\n", "", "--target: {} has no column 'c'; its columns are x, k"),
    "an_empty_name": (GOOD, "--target=", "--target: {} has no column ''; its columns are x, k, c"),
    "a_column_of_the_model": (
        GOOD,
        "--target x",
        "--target x is one of the columns to learn from, too; choose another, or leave it out there",
    ),
    "unknown_classes": (
        GOOD + "1,u,z\n1,u,y\n",
        "",
        "row 13, column 3 ('c'): 'z' is none of the classes of model.json, which are: a, b",
    ),
    "no_class": (
        "x,k,c\n1,u,\n2,v,\n",
        "--missing mean",
        "column 3 ('c'): no row has a class; choose another --target",
    ),
}


@pytest.mark.parametrize("name", KNOWN)
def test_rows_that_are_not_compared(program: Program, model: Path, tmp_path: Path, name: str) -> None:
    content, options, message = KNOWN[name]
    path = write(tmp_path / "new", content)
    line = program.refusal("evaluate", "--model", model.name, "--input", path, *options.split())
    assert line in {message.format(path), f"{path}, {message}", f"{path}: {message}"}


def put(name: str, value: object) -> Edit:
    return lambda model: model.update({name: value})


MODELS: dict[str, tuple[str | bytes | Edit, str]] = {
    "empty": ("", f"not a model (Expecting value: line 1 column 1 (char 0)){AGAIN}"),
    "centroids": ("1,2\n3,4\n", f"not a model (Extra data: line 1 column 2 (char 1)){AGAIN}"),
    "latin_1": (b'{"x": "\xe9"}', "not a model ('utf-8' codec can't decode byte 0xe9 in position 7: "),
    "deep": ("[" * 100_000, "not a model (maximum recursion depth exceeded"),
    "digits": ("9" * 5000, "not a model (Exceeds the limit (4300 digits)"),
    "list": ("[]", f"not a model that classify has written{AGAIN}"),
    "kind": (put("kind", "forest"), f"not a model that classify has written{AGAIN}"),
    "version": (put("format", 2), "a model of another version (format 2, expected 1); fit it again"),
    "version_text": (put("format", "1"), 'a model of another version (format "1", expected 1); fit it again'),
    "no_field": (lambda model: model.pop("weights"), "a damaged model (there is no weights); fit it again"),
    "no_mean": (
        lambda model: model["numbers"][0].pop("mean"),
        "a damaged model (there is no mean); fit it again",
    ),
    "type": (put("weights", "x"), 'a damaged model (weights: "x"); fit it again'),
    "columns": (put("numbers", ["x"]), "a damaged model (there is no name); fit it again"),
    "nan": (put("intercepts", [math.nan, 0.0]), "a damaged model (intercepts: NaN); fit it again"),
    "infinite": (put("intercepts", [math.inf, 0.0]), "a damaged model (intercepts: Infinity); fit it again"),
    "huge": (put("intercepts", [10**400, 0]), f"a damaged model (intercepts: 1{'0' * 38}…); fit it again"),
    "lengths": (
        lambda model: model["weights"][0].pop(),
        "a damaged model (its weights are not those of its columns and classes); fit it again",
    ),
    "one_class_more": (
        put("classes", ["a", "b", "c"]),
        "a damaged model (its weights are not those of its columns and classes); fit it again",
    ),
    "a_class_twice": (put("classes", ["a", "a"]), "a damaged model (classes has a text twice); fit it again"),
    "an_empty_class": (
        put("classes", ["", "a"]),
        "a damaged model (classes are two texts or more, none of them empty); fit it again",
    ),
    "half_a_character": (put("classes", ["\ud800", "a"]), "a damaged model ('utf-8' codec can't encode "),
    "a_category_twice": (
        lambda model: model["categories"][0].update(values=["u", "u", "w"]),
        "a damaged model (values has a text twice); fit it again",
    ),
    "a_column_twice": (
        lambda model: model["categories"][0].update(name="x"),
        "a damaged model (its columns have not names of their own); fit it again",
    ),
    "no_scale": (
        lambda model: model["numbers"][0].update(scale=0),
        "a damaged model (scale is 0.0); fit it again",
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_a_model_that_is_refused(program: Program, model: Path, tmp_path: Path, name: str) -> None:
    what, message = MODELS[name]
    if callable(what):
        content = json.loads(model.read_bytes())
        what(content)
        what = json.dumps(content)
    write(model, what)
    write(tmp_path / "new", GOOD)
    for command in (["predict", "--labels", "labels"], ["evaluate"]):
        line = program.refusal(*command, "--model", "model.json", "--input", "new")
        assert line.startswith(f"model.json: {message}")


def test_no_file_for_a_model(program: Program, tmp_path: Path) -> None:
    write(tmp_path / "new", GOOD)
    (tmp_path / "folder").mkdir()
    for name, why in (("folder", "Is a directory"), ("nowhere", "No such file or directory")):
        line = program.refusal("evaluate", "--model", name, "--input", "new")
        assert line == f"{name}: cannot be read: {why}"


def probabilities(model: dict[str, Any], table: list[tuple[float, str]]) -> Iterator[list[float]]:
    """Yield what the softmax of the scores gives: the model's definition."""
    (number,), (category,) = model["numbers"], model["categories"]
    for x, text in table:
        row = [
            (x - number["mean"]) / number["scale"],
            *(float(text == value) for value in category["values"]),
        ]
        scores = [
            intercept + math.fsum(w * value for w, value in zip(weights, row, strict=True))
            for intercept, weights in zip(model["intercepts"], model["weights"], strict=True)
        ]
        whole = math.fsum(map(math.exp, scores))
        yield [math.exp(score) / whole for score in scores]


MEAN = sum(i * 37 % 11 for i in range(12)) / 12
ACCEPTED: dict[str, tuple[Content, str, list[tuple[float, str]]]] = {
    "other_order": ("k,c,x\nu,?,0\nv,?,9\n", "", [(0, "u"), (9, "v")]),
    "more_columns": ("z,k,y,x\nq,u,1,0\nr,v,2,9\n", "", [(0, "u"), (9, "v")]),
    "byte_order_mark": (b"\xef\xbb\xbfx,k\n0,u\n9,v\n", "", [(0, "u"), (9, "v")]),
    "quoted_numbers": ('"x";"k"\n"0";"u"\n"9";"v"\n', "", [(0, "u"), (9, "v")]),
    "gzip": (gzip.compress(b"x,k\n0,u\n9,v\n"), "", [(0, "u"), (9, "v")]),
    "parquet": (pd.DataFrame({"k": ["u", "v"], "x": [0, 9]}), "", [(0, "u"), (9, "v")]),
    "unseen": ("x,k\n0,u\n9,zzz\n", "--unseen zero", [(0, "u"), (9, "none")]),
    "gaps": ("x,k\nNA,u\n9,\n", "--missing mean --unseen zero", [(MEAN, "u"), (9, "none")]),
    "far_away": ("x,k\n1e140,u\n-1e140,v\n", "", [(80, "u"), (-80, "v")]),
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_rows_that_are_classified(program: Program, model: Path, tmp_path: Path, name: str) -> None:
    content, options, table = ACCEPTED[name]
    path = write(tmp_path / "new", content)
    arguments = ["predict", "--model", model, "--input", path, "--labels", "labels", "--probabilities"]
    assert program.run(*arguments, *options.split()) == ""
    lines = [line.split(",") for line in (tmp_path / "labels").read_text().splitlines()]
    expected = list(probabilities(json.loads(model.read_bytes()), table))
    np.testing.assert_allclose(
        [list(map(float, line[1:])) for line in lines], expected, rtol=1e-12, atol=1e-9
    )
    assert [line[0] for line in lines] == ["ab"[row[1] > row[0]] for row in expected]


ROUND_TRIPS: dict[str, tuple[Content, str]] = {
    "odd_names": ('"x, ""cm""\n","  k ","c,d"\n' + rows(), "c,d"),
    "no_header": (rows(), "3"),
    "no_categories": ("x,c\n1,a\n2,b\n3,a\n", "c"),
    "no_numbers": ("k,c\n" + "u,a\nv,b\n" * 5, "c"),
    "npy": (np.array([[1, 2, 0], [2, 1, 1], [5, 2, 0]]), "3"),
    "parquet_true_and_false": (FRAME.assign(c=FRAME["c"] == "a"), "c"),
    "parquet_odd_names": (FRAME.rename(columns={"x": " x ", "k": "k,1"}), "c"),
}


@pytest.mark.parametrize("name", ROUND_TRIPS)
def test_a_model_reads_the_table_that_it_was_fitted_to(program: Program, tmp_path: Path, name: str) -> None:
    content, target = ROUND_TRIPS[name]
    path = write(tmp_path / "table", content)
    assert program.run("--input", path, "--target", target) == ""
    fitted = json.loads((tmp_path / "data" / "report.json").read_bytes())
    given = ["--model", tmp_path / "model.json", "--input", path]
    (tmp_path / "data" / "model.json").rename(tmp_path / "model.json")
    assert program.run("evaluate", *given) == ""
    compared = json.loads((tmp_path / "data" / "report.json").read_bytes())
    assert compared["log_loss"] == fitted["log_loss"]
    assert program.run("predict", *given, "--labels", "labels") == ""
    assert (tmp_path / "labels").read_text().count("\n") == sum(map(sum, fitted["confusion"]))


@pytest.mark.parametrize("headers", [["x,k,c\n"] * 3, ["x,k,c\n", "", ""]], ids=["each", "first"])
def test_several_files_are_one_table(program: Program, tmp_path: Path, headers: list[str]) -> None:
    """Each file numbers its texts by itself."""
    parts = [rows(5), "1,z,b\n2,u,d\n" + rows(7), "3,w,d\n"]
    (tmp_path / "d").mkdir()
    for number, part in enumerate(parts):
        write(tmp_path / "d" / f"{number}.csv", headers[number] + part)
    whole = write(tmp_path / "whole", "x,k,c\n" + "".join(parts))
    models = []
    for path in (whole, tmp_path / "d"):
        assert program.run("--input", path, "--target", "c") == ""
        models.append(program.model())
    assert models[0] == models[1]


def test_a_column_of_one_number_has_no_weight(program: Program, tmp_path: Path) -> None:
    """The mean of three times 0.1 is not 0.1, so a deviation remains that is no scale."""
    path = write(tmp_path / "table", "x,y,c\n0.1,1,a\n0.1,2,b\n0.1,4,a\n")
    assert program.run("--input", path, "--target", "c") == ""
    model = program.model()
    assert model["numbers"][0]["scale"] == 1.0
    assert abs(model["weights"][0][0]) < 1e-12


@pytest.mark.parametrize(
    ("options", "remedy"),
    [
        ("--iters 1", "try more --iters"),
        ("--tol 0", "rounding hides what would still lead on; try a greater --tol"),
        ("--l2 1e-320", "its weights grow without an end; try a greater --l2"),
    ],
)
def test_what_helps_a_fit_that_did_not_converge(
    program: Program, tmp_path: Path, options: str, remedy: str
) -> None:
    path = write(tmp_path / "table", GOOD)
    warning = program.run("--input", path, "--target", "c", *options.split())
    (doubt,) = json.loads((tmp_path / "data" / "report.json").read_bytes())["doubts"]
    assert warning == f"warning: {doubt}\n"
    assert doubt.startswith("it stopped before it converged, at a derivative of ")
    assert doubt.endswith(f"; {remedy}")


def test_a_quantity_as_the_target_is_warned_of(program: Program, tmp_path: Path) -> None:
    """A few classes of few rows are not."""
    path = write(tmp_path / "table", "x,c\n" + "".join(f"{i % 7},{i / 8}\n" for i in range(20)))
    (said, nothing) = program.run("--input", path, "--target", "c").split("\n")
    assert said.startswith(
        "warning: the target holds 20 different numbers in 20 training rows, each of which is "
    )
    assert nothing == ""
