"""The engine on mapper and reducer processes, which speak gRPC."""
