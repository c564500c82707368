"""Endpoints as objects: what is wanted of one (`config`, `desired`), what is true of it (`status`), and all of a
workspace (`store`)."""
