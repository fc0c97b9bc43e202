"""For authors of MCP servers that run behind Switchover.  Standard library only, importable alone."""
