"""The basis of every package: errors, files, names, processes, YAML. Nothing here knows about models."""
