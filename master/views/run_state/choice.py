"""How good clusters are, and which number of them each measure prefers."""

from typing import Any

from common.events.catalogue.base import Event
from common.events.catalogue.kmeans import ClustersChosen, ClustersMeasured
from master.views.run_state.tasks import number

_KEPT = 1000


class Choice:
    """What is known of each K, and of the choice among them."""

    def __init__(self) -> None:
        self._rows: list[dict[str, Any]] = []
        self._chosen: int | None = None
        self._preferred: dict[str, int] = {}

    def take(self, event: Event) -> None:
        """Take in an event."""
        match event:
            case ClustersMeasured() if len(self._rows) < _KEPT:
                self._rows.append({name: _plain(value) for name, value in vars(event).items()})
            case ClustersChosen():
                found = {name.partition("by_")[2]: k for name, k in vars(event).items()}
                self._preferred = {name: k for name, k in found.items() if name and k is not None}
                self._chosen = event.k

    def snapshot(self) -> dict[str, Any] | None:
        """Return everything; None if nothing was measured."""
        if not self._rows:
            return None
        return {"rows": self._rows, "chosen": self._chosen, "preferred": self._preferred}


def _plain(value: Any) -> Any:
    return number(value) if isinstance(value, float) else value
