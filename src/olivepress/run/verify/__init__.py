"""What a job made, opened and compared with its parent."""
