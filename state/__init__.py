"""What outlives the daemon: desired state and journal.  All SQL stands in numbered files under `sql/`.

It imports nobody; its classes fit `orchestrator.domain.ports` by structure.
"""
