"""The other direction: our jobs on Amazon SageMaker itself, through boto3.

    remote.py       where jobs are sent
    account.py      who asks: boto3's credentials, and its errors as ours
    upload.py       source and data to the bucket
    request.py      what is asked for, as SageMaker's requests (pure)
    following.py    a job there, followed to its end
    bringing.py     what it left, brought home as a job of ours
    jobs.py         all of it, for `tintype train|tune --on sagemaker`
"""
