"""An export opened where it is to run, beside its parent."""
