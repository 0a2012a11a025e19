"""A picture in few colours: `python -m master palette`."""
