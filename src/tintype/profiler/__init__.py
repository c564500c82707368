"""Where the time and the money go: system metrics, spans of the training, their readers, and what limits a job."""
