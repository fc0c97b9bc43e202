"""The verbs, one file each: thin clients of the control API (`serve` aside).

Above: `__main__`.  Below: HTTP on `control.sock`, MCP on `tools.sock`, and `settings` to find them.
"""
