"""A reducer process: fetches partitions, sorts, groups and reduces them."""
