"""Flags over HTTP: `/v1/flags`, OFREP, and the stream of their changes.

Above: `app`.  Below: `orchestrator.flags` decides.
"""
