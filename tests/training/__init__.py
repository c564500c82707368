"""Tests of `tintype.training`."""
