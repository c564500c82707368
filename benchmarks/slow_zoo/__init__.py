"""Trainings that are slowed on purpose, each in one known way, and whether the profiler says in which."""
