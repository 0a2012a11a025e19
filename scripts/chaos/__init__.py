"""A soak test: runs are disturbed at random, and must give the results of undisturbed ones."""
