"""A training job's profile in a notebook: where it is, and its charts."""
