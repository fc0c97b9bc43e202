"""The tools, by noun.

`tasks` has plan, plan_update and dispatch, `outlook` plan_next and context, `reviews` report_mo and verify, `status`
orchestrator_status, autopilot_status and health.
Above them stands `server`, below them the store.  `toolbox` is what they share.
"""
