"""Tells others of flags, rollouts and rehearsals: signed webhooks, and people through apprise.

What is to be told stands in the flags' store: one notice a change and destination, written in the change's own
transaction (`domain.ports.FlagOutbox`).  `notifier` is what the daemon holds, `deliverer` works the outbox off,
`schedule` decides when and what became of it, `webhook` and `people` are the two ways out, `options` says what may be
set.

Above: `daemon`.  Below: `telemetry`, `domain`.
"""
