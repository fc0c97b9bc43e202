"""Tokens that carry gates, and the gates of tools: who may do what, as the flags say now.

Above: `daemon` wires it; the HTTP doors and the control plane show it tokens, the proxy asks it about tools.  Below:
`domain.access` decides, `domain.ports.Gates` reaches the flags, `settings` names the rules.
"""
