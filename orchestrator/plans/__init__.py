"""Plans as files: read, described, and those that ship.

Above: the verbs `lint` and `plans`, the rollout's verbs, `simulate`.  Below: `domain.plans`, the settings' line finder.
"""
