"""What was run, kept as files below ``runs/`` and sent to MLflow: never a reason for a job to fail or to wait.

A run is recorded in a file of its own (``record``), which is only appended to. A process of the lowest priority
(``deliver``) sends what is recorded to the store, line by line, and notes how far it is (``cursor``).
"""
