"""Searches: the best settings of a fine-tune, and the best way to quantize a merged model."""
