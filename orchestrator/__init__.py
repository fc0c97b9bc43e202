"""Switchover's daemon: it decides and routes.

`workers` is what runs inside a worker process, `state` is what remembers.
"""

VERSION = "0.1.0"
