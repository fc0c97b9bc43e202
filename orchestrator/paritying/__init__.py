"""State parity: write calls are done again by new code on a state of its own, and the two states are compared.

`live` is the daemon's side, `follow` the program that runs the new code and compares, `messages` what they say to each
other, `kept` the clock on the disk.  Above: `daemon`.  Below: `orchestrator.parity`, the sandbox of `rehearsal`.
"""
