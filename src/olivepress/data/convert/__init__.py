"""Raw rows of every format become examples."""
