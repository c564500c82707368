"""Working with trials."""
