"""Write files that run a recipe on Kubernetes, with Compose, or under systemd."""
