"""Build hook: generates the code of the wire, so that `pip install` needs no second step."""

import runpy
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class GenerateProtos(BuildHookInterface):  # type: ignore[misc, type-arg, unused-ignore]
    """Runs `scripts/protos.py` before a wheel (editable or not) is put together."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Generate; hatchling then packs what it finds."""
        root = Path(self.root)
        runpy.run_path(str(root / "scripts" / "protos.py"))["generate"](root)
