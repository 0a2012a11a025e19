"""HOST:PORT as people write it."""

import pytest

from common.errors import UsageError
from common.rpc.address import split_address


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("10.0.0.1:7000", ("10.0.0.1", 7000)),
        ("host", ("host", 0)),
        ("[::1]", ("[::1]", 0)),
        ("[::1]:65535", ("[::1]", 65535)),
    ],
)
def test_addresses(text: str, parts: tuple[str, int]) -> None:
    assert split_address(text, "--join") == parts


@pytest.mark.parametrize(
    "text", ["", ":1", "host:", "host:x", "host:65536", "::1:80", "[::1", "a..b:80", "a\udcff:80"]
)
def test_what_is_none(text: str) -> None:
    with pytest.raises(UsageError, match=r"^--join .*: write HOST:PORT, as in "):
        split_address(text, "--join")
