"""Use cases around a training: diagnosis of a run, going on from one, advice before the first."""
