"""Model folders that are right, and that are not."""
