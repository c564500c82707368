"""The operations: each a function of what was asked to what is answered. `operations.OPERATIONS` is the table of
them all.
"""
