"""A user's inference script, as SageMaker's PyTorch containers run it, in processes of its own.

    contract        which of its functions there are, and the order in which they are called
    defaults        what stands in for those that are missing
    toolkit         what scripts import as sagemaker_inference
    launch          the environment variables and the interpreter it gets
    script_process  the process that it runs in
    script_path     those processes, as the front sees them

Source of all that imitates: sagemaker-inference 1.10 and sagemaker-pytorch-inference 2.0.
"""
