"""Cleaning, splitting, auditing and counting of rows."""
