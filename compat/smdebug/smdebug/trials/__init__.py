"""Reading what a training saved: `create_trial(path)`."""

from smdebug.trials.local_trial import LocalTrial
from smdebug.trials.profiler_trial import ProfilerTrial
from smdebug.trials.s3_trial import S3Trial
from smdebug.trials.trial import Trial
from smdebug.trials.utils import create_trial

__all__ = ["LocalTrial", "ProfilerTrial", "S3Trial", "Trial", "create_trial"]
