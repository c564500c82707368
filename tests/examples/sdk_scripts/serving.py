"""Endpoints, in ways in which people make and ask them."""

import json
from pathlib import Path

import boto3
import numpy as np
import sagemaker
from botocore.exceptions import ClientError
from sagemaker.deserializers import JSONDeserializer, NumpyDeserializer
from sagemaker.predictor import Predictor
from sagemaker.pytorch import PyTorch, PyTorchModel
from sagemaker.serializers import IdentitySerializer, JSONSerializer, NumpySerializer

HERE = Path(__file__).parent
session = sagemaker.Session()
client = boto3.client("sagemaker")
runtime = boto3.client("sagemaker-runtime")
role = sagemaker.get_execution_role()

estimator = PyTorch(
    entry_point="pickled.py", source_dir=str(HERE / "jobs"), role=role, instance_count=1, framework_version="1.8",
    instance_type="ml.m5.large", py_version="py36", debugger_hook_config=False, disable_profiler=True,
)
estimator.fit()

# the training script as the inference script, arrays both ways
predictor = estimator.deploy(initial_instance_count=1, instance_type="ml.m5.large")
answer = predictor.predict(np.zeros((2, 4), np.float32))
assert answer.shape == (2, 3), answer
predictor.serializer = JSONSerializer()
assert predictor.predict([[0.0, 1.0, 2.0, 3.0]]).shape == (1, 3)
predictor.delete_model()
predictor.delete_endpoint()

# a whole pickled network, and a handler of its own
model = PyTorchModel(
    model_data=estimator.model_data, role=role, entry_point="endpoint.py", source_dir=str(HERE / "jobs"),
    framework_version="1.6", py_version="py36", predictor_cls=Predictor, name="a-name-of-its-own",
)
predictor = model.deploy(
    initial_instance_count=1, instance_type="ml.t2.medium", endpoint_name="ants-and-bees",
    serializer=IdentitySerializer("image/jpeg"), deserializer=JSONDeserializer(),
)
assert predictor.predict(b"\xff\xd8\xff") == {"answer": {"bytes": 3}, "accept": "application/json"}

predictor.serializer = JSONSerializer()
assert len(predictor.predict({"inputs": [[0.0, 0.0, 0.0, 0.0]]})["answer"][0]) == 3
predictor.serializer = IdentitySerializer("image/jpeg")
payload = json.dumps({"inputs": [[1.0, 0.0, 0.0, 0.0]]})
answer = predictor.predict(payload, initial_args={"ContentType": "application/json"})
assert len(answer["answer"][0]) == 3
predictor.serializer = JSONSerializer()

arrays = Predictor("ants-and-bees", serializer=NumpySerializer(), deserializer=NumpyDeserializer())
assert arrays.predict(np.ones((5, 4))).shape == (5, 3)

# there is no network: an error of the model, soon, and not a wait
try:
    predictor.predict({"url": "https://dogs.invalid/labrador.jpg"})
except ClientError as error:
    assert error.response["Error"]["Code"] == "ModelError", error.response
    assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 424, error.response
    assert error.response["OriginalStatusCode"] == 500, error.response
    print("said:", error)
else:
    raise AssertionError("it fetched something")

# something the handler does not take
try:
    runtime.invoke_endpoint(EndpointName="ants-and-bees", ContentType="text/plain", Body=b"x")
except ClientError as error:
    assert "unsupported ContentType" in str(error), error
else:
    raise AssertionError("it took text")

response = runtime.invoke_endpoint(EndpointName="ants-and-bees", ContentType="image/jpeg", Body=b"12", Accept="*/*")
assert response["InvokedProductionVariant"] == "AllTraffic", response
assert json.loads(response["Body"].read())["answer"] == {"bytes": 2}
described = client.describe_endpoint(EndpointName="ants-and-bees")
assert described["EndpointStatus"] == "InService", described
assert described["ProductionVariants"][0]["CurrentInstanceCount"] == 1
predictor.delete_endpoint()
try:
    runtime.invoke_endpoint(EndpointName="ants-and-bees", Body=b"x")
except ClientError as error:
    assert error.response["Error"]["Code"] == "ValidationError", error.response
    print("said:", error)
else:
    raise AssertionError("a deleted endpoint answers")

# no handler at all: the default one loads TorchScript, which this is not; the endpoint says that it failed
bad = PyTorchModel(
    model_data=estimator.model_data, role=role, entry_point="told.py", source_dir=str(HERE / "jobs"),
    framework_version="1.8", py_version="py36",
)
try:
    bad.deploy(initial_instance_count=1, instance_type="ml.m5.large", endpoint_name="bad")
except Exception as error:
    print("said:", error)
    assert "bad" in str(error), error
else:
    raise AssertionError("it is served")
assert client.describe_endpoint(EndpointName="bad")["EndpointStatus"] == "Failed"
client.delete_endpoint(EndpointName="bad")
