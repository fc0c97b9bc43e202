"""The tool `echo` on the official SDK's own HTTP server: what a server costs that needs no proxy.

    python bench/sdk_server.py PORT

Below `bench.http_targets`; above the SDK alone.
"""

from __future__ import annotations

import sys

from mcp.server import MCPServer

server = MCPServer("sdk", log_level="ERROR")


@server.tool()
def echo(text: str) -> str:
    """Give back what came."""
    return text


if __name__ == "__main__":
    server.run("streamable-http", host="127.0.0.1", port=int(sys.argv[1]))
