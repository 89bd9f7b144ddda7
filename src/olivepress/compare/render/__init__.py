"""A comparison as terminal text, JSON, Markdown, CSV and a page."""
