"""Conversion of rows of every format to conversations."""
