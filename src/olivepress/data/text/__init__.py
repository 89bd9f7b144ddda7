"""Words and values: text in every script, and what stands in a field as text."""
