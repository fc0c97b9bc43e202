"""Who judges a task's work, and how much each of them is believed.

`opinion` is what a critic says, `evidence` are the critics that need nothing but the store, `reputation` is what is
learned from how earlier opinions turned out, `quorum` weighs them all.  Pure.  The critics that run something stand in
`suite`.  Above it stand the store and the `verify` tool, below it `tasks`.
"""
