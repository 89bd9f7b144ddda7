"""Refusals, leaks and toxic answers of a model: prompts with checks, results per prompt, paired comparisons."""
