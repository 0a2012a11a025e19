"""Make pictures of the documentation again.

python -m scripts.pictures              all of them, in docs/pictures
python -m scripts.pictures terminal     one or some, by name

`terminal` needs nothing but the program. The others need Chromium, `spark` Java and pyspark, and `dask` the
packages dask and bokeh; a picture whose programs are missing is left as it is, with one line.
"""

from collections.abc import Callable
from pathlib import Path

import click

from scripts.clusters.daemons import ROOT, as_help
from scripts.pictures import choice, clusters, run, screen

PICTURES: dict[str, Callable[[Path], None]] = {
    "terminal": screen.draw_terminal,
    "run": run.draw_report_and_scatter,
    "elbow": choice.draw_elbow,
    "palette": choice.draw_palette,
    "spark": clusters.draw_spark,
    "dask": clusters.draw_dask,
}


@click.command(help=as_help(__doc__))
@click.argument("names", nargs=-1, type=click.Choice(list(PICTURES)))
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=ROOT / "docs" / "pictures",
    show_default="docs/pictures",
    help="The folder for the pictures.",
)
def main(names: tuple[str, ...], out: Path) -> None:
    """Make the pictures that are named, or all."""
    out.mkdir(parents=True, exist_ok=True)
    for name in names or PICTURES:
        try:
            PICTURES[name](out)
        except LookupError as missing:
            click.echo(f"{name}: {missing.args[0]}")
        else:
            click.echo(f"{name}: made in {out}")


if __name__ == "__main__":
    main()
