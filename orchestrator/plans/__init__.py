"""Plans as files: read, described, and those that ship.

Above: the verbs `lint` and `plans`, later whoever carries plans out.  Below: `domain.plan`, the settings' line finder.
"""
