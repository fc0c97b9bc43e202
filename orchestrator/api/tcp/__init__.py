"""The control plane's door over TCP: what is served there, to whom, and by which token.

Above: `app`, `server`.  Below: `orchestrator.access`.
"""
