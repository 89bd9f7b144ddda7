"""Go on from a fine-tune."""
