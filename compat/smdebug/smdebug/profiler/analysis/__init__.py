"""Analyses of a profile for notebooks."""
