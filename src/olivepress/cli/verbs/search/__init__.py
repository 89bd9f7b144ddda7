"""Search for the best artifact to ship, or the best settings of a fine-tune."""
