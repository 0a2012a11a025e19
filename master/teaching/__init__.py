"""What a finished K-Means run has left, for who teaches and learns: checked by an oracle, and explained.

Nothing here uses what computed the run: the paper's rules are written a second time, as plainly as can be.
"""
