"""Multinomial logistic regression: its passes over rows, and its solver; the same bits on every machine."""
