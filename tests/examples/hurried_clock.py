"""Runs first in the kernel of a notebook: the SDK's clock goes twenty times as fast as the others.

The SDK looks at a job every 5, 10 or 30 seconds, which is right for machines that take minutes to start. By its own
clock it still does.
"""

import time

import sagemaker.session

TIMES = 20


class HurriedClock:
    """The module `time`, as far as the SDK knows."""

    def __getattr__(self, name):
        return getattr(time, name)

    def time(self):
        return time.time() * TIMES

    def sleep(self, seconds):
        time.sleep(seconds / TIMES)


sagemaker.session.time = HurriedClock()
