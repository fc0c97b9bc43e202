"""The upgrade harness: what is found out about a new version before anybody is served by it.

Preflight, a copy of the code and a snapshot of the worker's state, build, test, and a run of old and new code side by
side, each confined to its own snapshot.  Above: `orchestrator.rehearsing` puts it together as a program of its own, the
daemon starts that.  Below: `supervision` for processes, `settings`, `domain.rehearsal` for every decision.
"""
