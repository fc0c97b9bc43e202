"""`make demo`: the whole story in about a minute, played by the real daemon and real workers.

Nothing here is part of the product: it types the verbs a person would type, and calls the tools as clients do.
"""
