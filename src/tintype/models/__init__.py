"""Networks by name, their weights, and the archive a trained one travels in.

`archive` is what serving reads and needs no torch; `networks`, `weights` and `export` do. Import the files by name:
this package imports none of them.
"""
