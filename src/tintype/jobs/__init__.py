"""Jobs: what runs, where its files are, what became of it, and the processes that run it.

This part runs *commands* and never loads torch. A training job is `python -m tintype.training`, told what to do by a
JSON plan and telling what happens by JSON lines; nothing here knows what is in either beyond a few event names.
"""
