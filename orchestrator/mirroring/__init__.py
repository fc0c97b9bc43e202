"""Live mirroring as the daemon uses it: the proxy's mirror, a process that compares, and the pairs that come of it.

Above: `daemon` wires `live.Mirroring`.  Below: `proxy.mirror` asks, `orchestrator.shadow` compares,
`domain.evidence.samples` takes the pairs.  Comparing runs in a process of its own (`examine`), so that it costs no call
of the daemon's anything.
"""
