"""Flags as values: what is declared, what is set, how a change is checked, and how a document lists them.

Above: `orchestrator.flags` stores and publishes them, `domain.plans` has stages of them.  Below: nothing.
"""
