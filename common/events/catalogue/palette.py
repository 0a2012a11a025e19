"""What happens when a picture gets few colours."""

from common.events.catalogue.base import Event


class PaletteFound(Event):
    """The colours of the picture are known: `#rrggbb`, or `#rrggbbaa`; the most used one first."""

    colours: tuple[str, ...]
    pixels: tuple[int, ...]
