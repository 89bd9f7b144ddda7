"""Blind comparisons of two artifacts by people: sheets to fill in, and what the filled ones say."""
