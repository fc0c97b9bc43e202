"""The door for MCP over HTTP (Streamable HTTP, both eras) at `/mcp`.

Above: `doors` opens it.  Below: `proxy.session` and whoever owns sessions; nothing here knows of workers.  Pure
decisions stand in `checks`, `access`, `envelope` and `mirrored`; bytes in `wire`, `request` and `connection`; what
outlives a connection in `handshake` and `events`.
"""
