"""The state of a run as its events tell it, a module for each part."""
