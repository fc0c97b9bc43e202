"""The hot path: client bytes in, one routing decision, worker bytes out, and every call accounted for.

Above: `daemon` wires it.  Below: `telemetry` and `domain`.  It knows workers only as links (pairs of pipes) and never
starts or stops a process.
"""
