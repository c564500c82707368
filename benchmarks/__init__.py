"""The peer's script and ours on the same input, in one process tree; ratios with medians. Never timed tests."""
