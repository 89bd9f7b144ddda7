"""Vega-Lite specifications and their drawings."""
