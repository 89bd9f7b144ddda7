"""Answers, divergence and perplexity."""
