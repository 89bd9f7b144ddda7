"""The use cases, from files to files; one file each."""
