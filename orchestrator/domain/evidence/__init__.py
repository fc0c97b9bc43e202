"""What samples are and what they prove: badness of a unit, bets on it, verdicts that may be looked at at any time.

Above: the guard puts limits to them, `domain.rollouts` acts on their looks.  Below: nothing.
"""
