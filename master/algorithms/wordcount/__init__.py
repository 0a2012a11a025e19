"""Word count, the example of the MapReduce paper: the smallest algorithm there is."""
