"""Inputs that must be refused: files and command lines as people mistype, damage or forge them."""
