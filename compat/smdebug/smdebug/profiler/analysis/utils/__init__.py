"""A profile as pandas frames, and statistics of it."""
