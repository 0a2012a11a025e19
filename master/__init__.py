"""The master: the command line, the algorithm's loop, the engines and the cluster."""
