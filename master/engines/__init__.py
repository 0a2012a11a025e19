"""Where and how jobs run: one module an engine, all alike to the algorithm."""
