"""One training job: a plan in; events, a history, an evaluation and a model archive out.

`plan`, `hyperparameters` and `events` load no torch, so that everybody who starts jobs can import them.
Jobs run as `python -m tintype.training PLAN.json`, or one after another in `python -m tintype.training --worker`.
"""
