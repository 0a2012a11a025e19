"""Arrays in, arrays out: distances and exact sums."""
