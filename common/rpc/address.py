"""Addresses, HOST:PORT, as users write them."""

from common.errors import UsageError

LOOPBACK = "127.0.0.1"
WILDCARDS = ("0.0.0.0", "[::]")  # noqa: S104
"""To listen at one of these means to listen at every address of this host."""


def split_address(text: str, option: str) -> tuple[str, int]:
    """Split HOST:PORT, or HOST with port 0; an IPv6 host is in brackets; UsageError for other text."""
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        host, port = text, "0"
    bracketed = host.startswith("[") and host.endswith("]")
    if not host or (":" in host and not bracketed) or not port.isdecimal() or int(port) > 65535:
        raise UsageError(f"{option} {text}: write HOST:PORT, as in 10.0.0.1:7000 or [::1]:7000")
    return host, int(port)
