"""Intervals and paired comparisons: numbers in, numbers out."""
