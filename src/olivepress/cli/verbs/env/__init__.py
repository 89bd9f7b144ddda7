"""Manage the packages that each execution provider runs with."""
