"""What scripts and notebooks import from smdebug's inside."""
