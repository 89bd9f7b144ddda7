"""Child processes: what is sent to them, what they answer, and how they end with us."""
