"""What runs inside a worker process: the kit for worker authors and a reference worker."""
