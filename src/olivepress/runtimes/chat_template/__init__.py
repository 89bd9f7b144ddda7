"""Renders messages with a chat template, identically for training, measuring and chatting."""
