"""What is known of a training: diagnosis of a run, continual learning, advice before the first one."""
