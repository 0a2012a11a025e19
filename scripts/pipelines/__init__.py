"""The pipelines that people know, as scripts; `make pipelines` compares ours with them."""
