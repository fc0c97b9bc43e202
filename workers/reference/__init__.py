"""A small, honest orchestration server on the official MCP SDK: what `make run` runs."""
