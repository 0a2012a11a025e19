"""All that knows gRPC: channels, servers, messages, statuses, and who may call what."""
