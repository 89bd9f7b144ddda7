"""Jobs on other machines: a Dask scheduler hands them to workers, the journal of the submitting side stays the truth.

Nothing here is imported by a run on this machine; ``distributed`` and ``fsspec`` (the extra ``cluster``) are imported
here alone, and only when a cluster is asked for.
"""
