"""One run, from the opened input to the published result."""
