"""Tests of tintype.tuning. A package, so that `test_store.py` may have its namesakes elsewhere."""
