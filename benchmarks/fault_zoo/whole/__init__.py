"""Whole scripts, each with data, network and loop of its own, as a person writes one who has never seen the zoo."""
