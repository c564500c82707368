"""What is kept of requests and answers: log lines, counts, captured bodies, distributions."""
