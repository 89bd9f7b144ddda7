"""The recipe: what a user wants, strictly read."""
