"""Words of every script, and values of fields as text."""
