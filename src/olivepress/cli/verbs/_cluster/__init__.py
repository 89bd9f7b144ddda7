"""Verbs of other machines; they are listed with the others."""
