"""Tests of tintype.reports. A package, so that its modules may have namesakes elsewhere."""
