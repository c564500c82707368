"""Tests of tintype.tuning.strategies."""
