"""What a fit shows while it goes on: what the command line shows, and scikit-learn's lines between."""

from collections.abc import Sequence

from common.events.catalogue import kmeans
from common.events.catalogue.base import Event
from common.events.line import Entry
from common.events.log import View
from master.views.terminal import Screen, open_screen


def open_view(*, verbose: bool) -> View:
    """Choose what to show, if anything."""
    return VerboseView(open_screen(quiet=False)) if verbose else Screen()


class VerboseView:
    """Shows events on a screen, and those that scikit-learn's KMeans tells in its words, too."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._shifts: dict[int | None, float] = {}

    def show(self, entries: Sequence[Entry]) -> None:
        """Show events, each in both ways."""
        for entry in entries:
            self._screen.show([entry])
            self._screen.say(self._lines(entry.event))

    def close(self) -> None:
        """Leave the terminal as it was."""
        self._screen.close()

    def _lines(self, event: Event) -> list[str]:
        match event:
            case kmeans.InitialCentroids():
                return ["Initialization complete"]
            case kmeans.IterationFinished():
                self._shifts[event.start] = event.shift
                return (
                    []
                    if event.inertia is None
                    else [f"Iteration {event.iteration}, inertia {event.inertia}."]
                )
            case kmeans.Stopped() if event.reason.startswith("converged"):
                shift = self._shifts[event.start]
                why = f"center shift {shift:g} within tolerance" if shift else "strict convergence"
                return [f"Converged at iteration {event.iterations}: {why}."]
        return []
