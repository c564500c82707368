"""What runs a network (`runtime` has the table), in which numbers (`precision`), and the model that answers by it."""
