"""The rollout as a pure machine: its state, what may happen to it, what that leads to, and the words for all of it.

`rollout.step(state, event, now)` is the door; the handlers beside it are grouped by who asks: a beginning (`begin`),
the steps of the canary (`steps`), the stages of the flags (`stages`), a clock (`clock`), a person (`people`), facts
(`facts`), and the ways back (`back`, `cut`, `quarantine`).  Above: the engine.  Below: `domain.plans`,
`domain.evidence`.
"""
