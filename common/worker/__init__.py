"""What a mapper and a reducer process have in common: join the master, serve, send heartbeats, end.

A worker that the master starts lives as long as its standard input is open. The first line there says where
the master is and gives the run's secret; see `common.worker.lifeline`. A worker that somebody starts
elsewhere, with `--join`, proves itself by certificates, and ends when the master says that the run is over.
"""
