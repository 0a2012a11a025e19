"""A palette as a run sees it: find the colours by K-Means, and give each pixel the nearest one."""

from dataclasses import dataclass
from typing import cast

import numpy as np

from common.errors import counted
from common.events.catalogue.palette import PaletteFound
from common.events.log import RunLog
from common.jobs.base import Engine
from common.jobs.centroids import FarthestRows, Label
from common.jobs.rows import FirstDistinctRows
from common.model import FloatArray, Input, IntArray, LongArray
from common.records.text import decode
from master.algorithms.base import Algorithm, Checkpoints, Published, ResultFile
from master.algorithms.kmeans.algorithm import KMeansAlgorithm
from master.algorithms.kmeans.config import KMeansConfig
from master.algorithms.palette.colours import Colours, Points, by_use, in_hex, in_words, to_colours, to_points
from master.algorithms.palette.config import PALETTE_TEXT, PaletteOptions, PictureOptions
from master.algorithms.palette.picture import Indexes, Picture, dither, encode_picture, format_for

_STEPS = 2550
"""Clustering ends when no centroid moves by more than such a part of the widest column: a tenth of a level,
if that is all of 0 to 255."""
_TRANSPARENT = np.zeros((1, 4), np.uint8)


@dataclass(frozen=True)
class Palette:
    """The colours, shape (k, 4), and for each pixel its colour."""

    colours: Colours
    indexes: Indexes

    @property
    def counts(self) -> LongArray:
        """How many pixels have each colour."""
        return np.bincount(self.indexes, minlength=len(self.colours))


@dataclass(frozen=True)
class PaletteAlgorithm(Algorithm[Palette]):
    """Reduce a picture to few colours; the result is the picture, and its palette as text.

    The rows of the input are the pixels that are seen, as `points`. All others have a colour of their own.
    `given` are colours to use; None: they are to be found.
    """

    files: PictureOptions
    options: PaletteOptions
    picture: Picture
    points: Points
    given: Colours | None

    def parameters(self) -> dict[str, str]:
        """Return the options that decide the result, for the log."""
        options = self.options
        found: dict[str, object] = {"--k": options.k, "--init": options.init, "--n-init": options.n_init}
        found |= {"--iters": options.iterations, "--seed": options.seed}
        used: dict[str, object] = found if self.given is None else {"--palette": options.palette}
        used |= {"--input": self.files.input, "--output": self.files.output, "--dither": self.files.dither}
        return {name: str(value) for name, value in used.items()}

    def run(self, engine: Engine, source: Input, log: RunLog, checkpoints: Checkpoints) -> Palette:
        """Find the colours, and those of the pixels."""
        if self.given is not None:
            colours, labels = self.given, self._labels_of_given(engine, self.given)
        else:
            found, labels = settle(engine, *self._find(engine, source, log))
            colours = to_colours(found)
        palette = self._with_transparent(colours, labels)
        palette = palette if self.given is not None else _sorted(palette)
        if self.files.dither:
            palette = Palette(palette.colours, dither(self.picture, palette.colours))
        log.event(_found(palette))
        return palette

    def publish(self, result: Palette) -> Published:
        """Return the picture and its palette."""
        number, output = len(result.colours), self.files.output
        picture = encode_picture(self.picture, result.indexes, result.colours, format_for(output))
        text = "".join(in_words(result.colours, result.counts)).encode()
        all_there = self.options.k is None or number == self.options.k
        return Published(
            summary=f"{counted(number, 'colour')}, mean squared error {self._error(result):.4g}",
            lines=() if all_there else (f"the picture has only {counted(number, 'different colour')}",),
            files=(
                ResultFile(output.name, "the picture", picture, is_shown=False, folder=output.parent),
                ResultFile(PALETTE_TEXT, "colour, pixels, share", text, folder=output.parent),
            ),
        )

    def _find(self, engine: Engine, source: Input, log: RunLog) -> tuple[FloatArray, int]:
        """Return colours as points, and how many there shall be: all, if they are few."""
        assert self.options.k is not None
        wanted = self.options.k - int(not self.picture.seen.all())
        distinct = engine.map_reduce(FirstDistinctRows(wanted + 1), {})[0][:, 1:]
        if len(distinct) <= wanted:
            return distinct, len(distinct)
        algorithm = KMeansAlgorithm(self._clustering(wanted))
        centroids = algorithm.run(engine, source, log, Checkpoints()).centroids  # a fit takes seconds
        return to_points(to_colours(centroids), centroids.shape[1]).astype(np.float64), wanted

    def _clustering(self, k: int) -> KMeansConfig:
        options, widest = self.options, np.ptp(self.points, axis=0).max()
        return KMeansConfig(
            k=k,
            iterations=options.iterations,
            seed=options.seed,
            tol=float(widest) / _STEPS,
            init=options.init,
            n_init=options.n_init,
        )

    def _labels_of_given(self, engine: Engine, given: Colours) -> IntArray:
        """Return for each row its colour among those given that are not fully transparent."""
        usable = np.flatnonzero(given[:, 3])
        nearest = label(engine, to_points(given[usable], self.points.shape[1]).astype(np.float64))
        return usable[nearest].astype(np.int32)

    def _with_transparent(self, colours: Colours, labels: IntArray) -> Palette:
        """Give the other pixels the first fully transparent colour, after it was added if there is none."""
        indexes = np.empty(len(self.picture.seen), np.uint8)
        indexes[self.picture.seen] = labels
        if not self.picture.seen.all():
            if colours[:, 3].all():
                colours = np.concatenate([colours, _TRANSPARENT])
            indexes[~self.picture.seen] = colours[:, 3].argmin()
        return Palette(colours, indexes)

    def _error(self, result: Palette) -> float:
        """Return the mean squared error of a channel, in levels from 0 to 255; colours count by alpha."""
        columns: int = self.points.shape[1]
        found, colours = result.indexes[self.picture.seen], to_points(result.colours, columns)
        # One column at a time, as a picture is large; whole numbers, so nothing is rounded.
        total = 0
        for theirs, ours in zip(colours.T.astype(np.int64), self.points.T, strict=True):
            total += int(((theirs[found] - ours.astype(np.int64)) ** 2).sum())
        scale = 255 if columns == 4 else 1
        return total / (len(self.picture.seen) * columns * scale * scale)


def _found(palette: Palette) -> PaletteFound:
    order = by_use(palette.colours, palette.counts)
    return PaletteFound(
        colours=tuple(map(in_hex, palette.colours[order])), pixels=tuple(palette.counts[order].tolist())
    )


def label(engine: Engine, colours: FloatArray) -> IntArray:
    """Return each row's nearest colour."""
    return cast(IntArray, decode(b"".join(engine.map_only(Label(), {"centroids": colours}))).keys)


def settle(engine: Engine, colours: FloatArray, number: int) -> tuple[FloatArray, IntArray]:
    """Return as many colours, each of which some row has, and each row's colour.

    Rounding may make two colours one, or leave one that no row is nearest to. Colours of rows that are
    farthest from the others replace them. Rows have at least as many colours, so this comes to an end.
    """
    while len(used := np.unique(labels := label(engine, colours))) < number:
        kept = colours[used]
        farthest = engine.map_reduce(FarthestRows(number - len(used)), {"centroids": kept})[0][:, 2:]
        colours = np.unique(np.concatenate([kept, farthest]), axis=0)
    return colours, labels


def _sorted(palette: Palette) -> Palette:
    """Put the most used colour first."""
    order = by_use(palette.colours, palette.counts)
    places = np.argsort(order).astype(np.uint8)
    return Palette(palette.colours[order], places[palette.indexes])
