"""Rules: what looks at a tensor log and says what is wrong with a training. NumPy, no torch.

Start reading at `vanishing_gradient.py`; `rule.py` says what a rule is, `catalogue.py` lists them all, and
`python -m tintype.rules` evaluates those of a job while it trains.
"""
