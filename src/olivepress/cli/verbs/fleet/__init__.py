"""Measure a bundle on many machines, and roll it out to them in rings."""
