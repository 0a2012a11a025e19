"""The page as one text: empty for the live view, or with a snapshot in it as a report.

A report is one file that needs no network, for mail or a paper. Its policy allows nothing but its own script
and its own style, by their hashes.
"""

import base64
import hashlib
import json
from pathlib import Path

from master.views.run_state.state import Snapshot

_PARTS = Path(__file__).with_name("page")
_STYLE, _SCRIPT = ((_PARTS / name).read_text("utf-8") for name in ("page.css", "page.js"))
_PAGE = (_PARTS / "page.html").read_text("utf-8").replace("/*STYLE*/", _STYLE).replace("/*SCRIPT*/", _SCRIPT)


def _hash_of(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


POLICY = (
    f"default-src 'none'; script-src {_hash_of(_SCRIPT)}; style-src {_hash_of(_STYLE)}; base-uri 'none'; "
    "form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
"""What the page may do: run its script, use its style, and turn no text into markup."""


def live_page() -> str:
    """Return the page that asks for its pictures."""
    return _PAGE.replace("<!--POLICY-->", "").replace("/*SNAPSHOT*/", "null")


def report(snapshot: Snapshot) -> str:
    """Return the page that holds its snapshot."""
    meta = f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
    return _PAGE.replace("<!--POLICY-->", meta).replace("/*SNAPSHOT*/", in_markup(snapshot))


def as_json(snapshot: Snapshot) -> str:
    """Write a snapshot on one line."""
    return json.dumps(snapshot, separators=(",", ":"), allow_nan=False)


def in_markup(snapshot: Snapshot) -> str:
    """Write a snapshot as JSON that neither ends a script element nor begins a comment."""
    return as_json(snapshot).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
