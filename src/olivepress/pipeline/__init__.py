"""The use cases, from files to files."""
