"""Whether two states of a worker are the same: databases by schema and rows, files by content.

`values` is a state as it was read, `scrub` takes out what differs by itself, `compare` tells what differs, `clean` for
how long nothing did; they are pure.  `reading` reads a directory.  Above: `orchestrator.paritying`.  Below:
`orchestrator.shadow` for times and their spelling.
"""
