"""What runs behind an endpoint: its variants, their replicas, how they do, and who of them answers a request."""
