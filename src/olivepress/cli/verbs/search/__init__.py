"""Search for the best artifact to ship."""
