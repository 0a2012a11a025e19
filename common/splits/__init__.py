"""The rows of a split, read and checked once and kept by whoever maps them."""
