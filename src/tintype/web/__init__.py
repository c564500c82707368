"""The SageMaker API on one port: requests of the AWS clients, checked, answered from the same records as the command
line.

A request passes `app` (HTTP) → `signature` (who) → `dispatch` (which service and operation) → `wire` (bytes to
values, checked by botocore's model of the service) → a function of `api/` or `s3/` (what happens) → `wire` again.
"""
