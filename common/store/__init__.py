"""The only package that names, writes and removes what a run leaves on disk.

    DATA_DIR/.lock                          the master holds it while it runs
    DATA_DIR/RESULT                         the result; the algorithm gives its name
    DATA_DIR/checkpoints/iteration_3.jsonl  the state after iteration 3; removed when the run finishes
    DATA_DIR/mappers/M1/map_output.txt      key,value...   one line a record, in input order
    DATA_DIR/mappers/M1/partition_1.txt     those whose key is for reducer 1, sorted by key
    DATA_DIR/mappers/M1/manifest.txt        size, records and checksum of each file of the attempt
    DATA_DIR/reducers/R1/output.txt         key,value...   one line a key
    DATA_DIR/reducers/R1/.mapreduce         the mark of a folder of ours; `checkpoints` has it, too

With --intermediate arrow, map output, partitions and reduce output end in .arrow instead.

A worker keeps the files of the newest iteration. With --keep-iterations, it keeps those of iteration 3 in a
folder `iteration_3`. Jobs outside the iterations write to a folder `job_NAME`, which the next stage removes.
A task whose own worker failed runs on another one and writes to a folder `task_2` there.

Files are removed in folders with our mark alone, and only those that `names` knows. No link is followed, but
those that the user gives are, once.

A file appears whole or not at all: it is written under a temporary name, then renamed. The files of an
attempt appear together: the manifest is renamed last, and files that it does not list do not count.
"""
