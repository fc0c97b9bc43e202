"""`switchover connect`: what an MCP client starts instead of its server; stdio on one side, `tools.sock` on the other.

Above: the verb `connect`.  Below: `proxy.codec` and `proxy.lines` for the bytes, `domain` for the words.  Every client
starts one, so this room imports no more than it needs: no web framework, no log library, no settings model.

`conversation` decides, without I/O and without a clock; `relay` carries the bytes.
"""
