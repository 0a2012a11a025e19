"""What a mapper and a reducer process have in common: join the master, serve, send heartbeats, end.

A worker that the master starts lives as long as its standard input is open. The first line there says where
the master is, and gives the token by which the master knows it; see `common.worker.lifeline`. A worker that
somebody starts, with `--join`, draws its token itself, and ends when the master says that the run is over.
"""
