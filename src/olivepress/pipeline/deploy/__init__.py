"""Files for a cluster: manifests of Kubernetes, a Dockerfile for each environment, a Compose file, systemd units."""
