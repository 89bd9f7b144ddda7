"""Rows are cleaned, split, audited and counted."""
