"""What every room stands on: errors, files, names, processes, YAML; it knows nothing of models."""
