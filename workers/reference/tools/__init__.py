"""The tools, by noun: `tasks` (plan, dispatch, plan_next), `reviews` (report, verify), `status` (the rest).

Above them stands `server`, below them the store.  `toolbox` is what they share.
"""
