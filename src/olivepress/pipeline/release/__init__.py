"""Use cases around a release: blind comparisons, safety, the model card, publishing, the monitor."""
