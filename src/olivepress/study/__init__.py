"""Searches of settings, on Optuna: their spaces, their trials, and the database that keeps them."""
