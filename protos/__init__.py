"""The wire: `mapreduce.proto` and the code that the set-up generates from it."""
