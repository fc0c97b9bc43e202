"""Rollouts over HTTP: their verbs, how they stand and stood, the guard, drills, rehearsals.

Above: `app`.  Below: the engine decides, `plans` reads, the conductor tells.
"""
