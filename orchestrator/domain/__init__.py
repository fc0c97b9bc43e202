"""The pure core: values in, values out.

Nothing here awaits, reads a clock or touches a file.  Everything above (engine, proxy, supervision, api, daemon)
imports downwards into this room; this room imports nothing but pydantic, msgspec and the standard library's data types.
"""
