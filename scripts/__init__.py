"""Tools for developers: generated code, sample data, benchmarks."""
