"""Recipe → plan → Olive workflows, and what is checked of them."""
