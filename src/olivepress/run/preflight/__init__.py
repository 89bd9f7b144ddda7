"""The runtimes' tokenizers before the first job."""
