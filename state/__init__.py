"""What outlives the daemon: desired state, flags, journal and audit, and the directory they stand in.

It imports nobody; its classes fit `orchestrator.domain.ports` by structure, and only the daemon sees them.  All SQL
stands in files under `sql/`: the schema as numbered migrations, the statements by name in `queries.sql` and
`flag_queries.sql` beside them.

`directory` takes the state directory, `store` opens `orchestrator.db` (`desired`, `audit`, `flags`), `journal` its own
file; each file has one `writer` thread, and `memory` and `memory_flags` hold the twins that keep everything in memory.
"""
