"""The model card of an artifact: written from what is known, checked for what is missing."""
