"""Confidence intervals and paired comparisons; pure functions of numbers."""
