"""Session settings: searched, recorded."""
