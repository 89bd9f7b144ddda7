"""Models opened behind one door, whichever runtime runs them."""
