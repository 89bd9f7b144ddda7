"""Files of every kind become raw rows."""
