"""Multinomial logistic regression on tables of numbers and categories."""
