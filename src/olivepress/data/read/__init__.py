"""Reading of raw rows from files of every format."""
