"""One runtime each: what a child process measures, in an environment that has only that runtime."""
