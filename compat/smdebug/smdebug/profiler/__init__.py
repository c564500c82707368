"""What scripts import from smdebug's profiler."""
