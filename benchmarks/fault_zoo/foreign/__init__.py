"""Trainings unlike the others: other networks, other losses, and loops as other people write them."""
