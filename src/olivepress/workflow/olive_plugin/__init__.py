"""What a rendered workflow imports inside Olive."""
