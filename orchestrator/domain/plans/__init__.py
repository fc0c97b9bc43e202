"""What a plan says, as values, and what is wrong with one: from a step's weight to the lint's findings.

Above: `orchestrator.plans` reads plans from files, `domain.rollouts` carries them out.  Below: `domain.flags`.
"""
