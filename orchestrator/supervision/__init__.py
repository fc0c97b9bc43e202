"""Processes: spawn, readiness, drain, stop, back-off, health.  One owner for every way a worker can be ended.

Above: `daemon` wires it to the engine and the proxy.  Below: `telemetry` and `domain`.
"""
