"""Pictures of pages, by a headless Chromium."""

import base64
import tempfile
from pathlib import Path

from tests.browser import CHROMIUM, Browser

WHOLE = "document.documentElement"
_SETTLED = """(() => {
  const box = JSON.stringify(%s.getBoundingClientRect());
  window.same = window.box === box ? window.same + 1 : 0;
  window.box = box;
  return window.same > 60;
})()"""
"""A page draws in several steps, which move its parts: ask until they have stayed where they are."""


def picture_of(
    address: str, path: Path, width: int, height: int, ready: str = "true", part: str = WHOLE
) -> None:
    """Write what a browser shows of a page, or of an element, once a condition of JavaScript holds.

    Parameters
    ----------
    width, height
        Of the window; no more of the page is shown.
    """
    if CHROMIUM is None:
        raise LookupError("Chromium is not installed")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        with Browser(Path(profile), width) as browser:
            size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
            browser.call("Emulation.setDeviceMetricsOverride", **size)
            browser.open(address)
            browser.wait(ready)
            browser.wait(_SETTLED % part)
            box = browser.value(f"{part}.getBoundingClientRect().toJSON()")
            clip = {key: box[key] for key in ("x", "y", "width")} | {
                "height": min(height, box["height"]),
                "scale": 1,
            }
            shot = browser.call("Page.captureScreenshot", clip=clip)
        path.write_bytes(base64.b64decode(shot["data"]))
