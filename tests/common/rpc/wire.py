"""A message on its way."""

from typing import Any

from google.protobuf.message import Message


def sent(message: Message) -> Any:
    """Return the message as it arrives."""
    return type(message).FromString(message.SerializeToString())
