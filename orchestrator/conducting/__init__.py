"""A rollout's surroundings: what the machine wants done besides routing and processes, done in the background.

Everything here fits `domain.ports.Conductor`: it is asked for values, may be asked twice, and answers with events.
Above: `daemon`.  Below: the flags, rehearsals, the guard, the mirror.
"""
