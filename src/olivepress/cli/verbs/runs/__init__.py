"""List, show and compare the runs of jobs.

Every run is recorded below runs/; MLflow is not needed for these commands, except send.
"""
