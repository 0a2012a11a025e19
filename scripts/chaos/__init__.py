"""A soak: runs that random faults disturb, and whose results must be those of undisturbed ones."""
