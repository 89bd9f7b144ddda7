"""Verbs of their own that are about a training; a folder whose name begins with an underscore is no group."""
