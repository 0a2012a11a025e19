"""What a run has found, for scripts: one JSON object."""

import json
from typing import TextIO

from common.errors import RunFailedError, refusal_of
from master.algorithms.base import Published
from master.options.groups import RunConfig


def print_summary(published: Published, config: RunConfig, out: TextIO) -> None:
    """Write what was found, and which files were written, as a line."""
    data_dir = config.output.data_dir
    summary = {
        "summary": published.summary,
        **published.figures,
        "files": [str(file.path(data_dir)) for file in published.files],
        "labels": None if config.labels is None else str(config.labels),
    }
    try:
        print(json.dumps(summary, ensure_ascii=False, allow_nan=False), file=out, flush=True)
    except OSError as error:
        raise RunFailedError(f"--json: {refusal_of(error)}") from None
