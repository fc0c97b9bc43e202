"""What compares live calls, over HTTP: mirroring, parity, and the recording of a suite.

Above: `app`.  Below: the rooms that do it.
"""
