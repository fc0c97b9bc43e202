"""Live flags: what is declared, what is stored, what every worker sees, and who has seen it.

Above: `api` and `daemon`.  Below: `domain` decides, the kit's page and evaluator are shared with the workers.
"""
