"""The only package that names and writes what a run leaves on disk.

    DATA_DIR/.lock                          held by the master while it runs
    DATA_DIR/centroids.txt                  one centroid a line, in key order
    DATA_DIR/checkpoints/iteration_3.jsonl  where the run stood then; gone when it is finished
    DATA_DIR/mappers/M1/map_output.txt      key,value...   one line a record, in input order
    DATA_DIR/mappers/M1/partition_1.txt     the records with key % R == 0, sorted by key
    DATA_DIR/reducers/R1/output.txt         key,value...   one line a key

    DATA_DIR/mappers/M1/manifest.txt        size, records and checksum of each file of the attempt

With --intermediate arrow, map output, partitions and reduce output end in .arrow instead.

A node keeps the files of the newest iteration; with --keep-iterations, those of iteration 3 are in a folder
`iteration_3` of the node. Jobs outside the iterations write to a folder `job_NAME`, gone when the next stage
starts. A task that runs away from home, because its own node failed, writes to a folder `task_2` of its host.

A file appears whole or not at all: it is written under a temporary name, then renamed. The files of an
attempt appear together: the manifest, renamed last, makes them count, and what it doesn't list is garbage.
"""
