"""Whether new code answers as old code does: noise learned from the old code itself, everything else compared.

Pure: samples, call times and `now` come in; no clock, no files, no processes.  Above: the harness that runs control and
rehearsal, and the mirror of live calls.  Below: `domain.comparison`.
"""
