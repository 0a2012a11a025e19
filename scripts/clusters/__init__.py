"""Small real clusters on this machine, to try the engines on."""
