"""CSV to centroids in one process, as one does it without this project: pandas.read_csv and scikit-learn."""

import sys

import numpy as np
import pandas
from sklearn.cluster import KMeans

if __name__ == "__main__":
    source, initial, iterations, engine, output = sys.argv[1:]
    start = np.load(initial)
    table = pandas.read_csv(source, header=None, engine=engine)
    model = KMeans(len(start), init=start, n_init=1, max_iter=int(iterations), tol=0)
    model.fit(table.to_numpy())
    np.savez(output, centroids=model.cluster_centers_)
