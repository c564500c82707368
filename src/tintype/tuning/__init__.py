"""Hyperparameter tuning: what to try, in which order, when to stop, and which trial was best.

`ranges` and `space` say what may be tried, `strategies` decide what is tried next, `early_stopping` and `completion`
when enough is known. `tuner` is the one coordinator: it talks to a `runner`, which trains, and to a `store`, which
remembers, so that a tuning job whose coordinator died goes on with no trial lost and none run twice.
"""
