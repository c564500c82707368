"""Users' scripts."""
