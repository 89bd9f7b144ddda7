"""What comes before a release: safety, the model card, publishing; and after it: the monitor."""
