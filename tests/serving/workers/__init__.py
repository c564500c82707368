"""The processes behind a front."""
