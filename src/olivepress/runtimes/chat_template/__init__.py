"""Messages through a chat template, the same for training, measuring and chatting."""
