"""Manage the adapters of a package: one base model that takes many."""
