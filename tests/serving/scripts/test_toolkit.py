"""`import sagemaker_inference`, as scripts for the containers do, where it is not installed."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Iterator
from types import ModuleType

import numpy as np
import pytest

from tintype.serving.scripts import toolkit
from tintype.serving.scripts.contract import Context, Handler

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec(toolkit.NAME) is not None, reason="the real package is installed, and is not hidden"
)
SCRIPT = """
import sagemaker_inference.content_types
from sagemaker_inference import content_types, decoder, default_inference_handler, encoder, errors
from sagemaker_inference.errors import GenericInferenceToolkitError

def model_fn(model_dir): return 2
def input_fn(body, content_type): return decoder.decode(body, content_type)
def predict_fn(data, model):
    if len(data) > 2: raise GenericInferenceToolkitError(422, "too many rows")
    return data * model
class Handler(default_inference_handler.DefaultInferenceHandler): pass
def output_fn(prediction, accept):
    return Handler().default_output_fn(prediction, accept)
"""


@pytest.fixture
def handler() -> Iterator[Handler]:
    toolkit.lend()
    script = ModuleType("inference")
    try:
        exec(SCRIPT, vars(script))
        made = Handler(script, lambda: pytest.fail("no default is needed"), "application/json")
        made.load(Context("/opt/ml/model", None))
        yield made
    finally:
        for name in [name for name in sys.modules if name.partition(".")[0] == toolkit.NAME]:
            del sys.modules[name]


def test_a_script_decodes_and_encodes_by_it(handler: Handler) -> None:
    context = Context("/opt/ml/model", None)
    answer = handler.answer(b"1,2\n3,4\n", "text/csv", None, context)
    assert (answer.status, json.loads(answer.content)) == (200, [[2.0, 4.0], [6.0, 8.0]])
    answer = handler.answer(b"[[1, 2]]", "application/json", "image/png, text/csv", context)
    assert answer.content == b"2,4\n"


def test_its_errors_carry_a_status(handler: Handler) -> None:
    context = Context("/opt/ml/model", None)
    answer = handler.answer(json.dumps(np.ones((3, 1)).tolist()).encode(), "application/json", None, context)
    assert answer.status == 422
    assert answer.content.startswith(b"too many rows")
    answer = handler.answer(b"", "image/jpeg", None, context)
    assert answer.status == 500
    assert b"image/jpeg is not supported by this framework" in answer.content
