"""The pages: what runs, what ran, what came of it, in a browser.

Server-rendered from the same records that the command line and the API read; a little script refreshes what is under
way and works without it too. Below `/ui`, where no bucket of S3 can be (a bucket's name has three letters at least).
"""
