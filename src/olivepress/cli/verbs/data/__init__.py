"""Prepare datasets: versioned, audited, without leaks."""
