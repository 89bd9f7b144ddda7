"""Let people compare two artifacts blind, and score their votes."""
