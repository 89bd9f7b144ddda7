"""Base models: what is checked of them, and those that come out of a wheel."""
