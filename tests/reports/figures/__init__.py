"""Tests of tintype.reports.figures."""
