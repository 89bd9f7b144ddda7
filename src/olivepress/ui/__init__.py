"""Local pages over the files of a project, read only: jobs, artifacts, comparison, data, logs.

Nothing is stored and nothing is computed that the verbs do not compute: each answer is read from the files as they are
at that moment, so that a page keeps working while a run goes on, is killed, or writes half a line.
"""
