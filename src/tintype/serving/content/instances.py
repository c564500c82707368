"""Pictures in JSON.

    {"image": "<base64 of an image file>"}                  one picture; a data: URL will do
    {"instances": [instance, ...]}                          several; "inputs" means the same
    {"inputs": {"image": [picture, ...]}}                   the same by column, as TensorFlow Serving has it
    [[[...]]]                                               a nested list: an array, as `inputs.from_array` reads it

An instance is {"image": picture}, {"b64": "<base64>"}, {"url": "https://..."}, or a picture itself, which is a base64
string, {"b64": "<base64>"} or a nested list. {"url": "https://..."} is also a whole body; whether anything is fetched
is for the server to decide.
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any, NoReturn

import numpy as np

from tintype.errors import InvalidRequest
from tintype.serving.content.inputs import EncodedImage, ImageUrl, Input, from_array

IMAGE_KEYS = ("image", "b64")
URL_KEY = "url"
LONGEST_URL = 2048
LIST_KEYS = ("instances", "inputs")
SHAPES = 'send {"image": "<base64>"} or {"instances": [{"image": "<base64>"}, ...]}'


def read_json(content: bytes) -> tuple[Input, ...]:
    """The pictures of a JSON body, in order. `InvalidRequest` names the instance that is wrong."""
    document = _parsed(content)
    if isinstance(document, list):
        return (_array(document),)
    key, value = _only_entry(document, (*IMAGE_KEYS, URL_KEY, *LIST_KEYS), "the body")
    if key in (*IMAGE_KEYS, URL_KEY):
        return (_picture(key, value, key),)
    if isinstance(value, dict):
        column, value = _only_entry(value, IMAGE_KEYS, key)
        key = f"{key}.{column}"
    if not isinstance(value, list) or not value:
        raise InvalidRequest(f"{key!r} must be a list with at least one picture; {SHAPES}")
    return tuple(_instance(one, f"{key}[{position}]") for position, one in enumerate(value))


def _parsed(content: bytes) -> Any:
    try:
        return json.loads(content, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:       # ValueError: bad JSON, bad UTF-8, numbers of absurd length
        raise InvalidRequest(f"the body is not JSON: {str(error)[:200] or type(error).__name__}; {SHAPES}") from error


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number in JSON")


def _only_entry(document: Any, keys: tuple[str, ...], where: str) -> tuple[str, Any]:
    found = [key for key in keys if isinstance(document, dict) and key in document]
    if len(found) != 1:
        raise InvalidRequest(f"{where} must be an object with one of {', '.join(map(repr, keys))}; {SHAPES}")
    return found[0], document[found[0]]


def _instance(value: Any, where: str) -> Input:
    if isinstance(value, list):
        return _array(value, where)
    if isinstance(value, str):
        return _image(value, where)
    key, picture = _only_entry(value, (*IMAGE_KEYS, URL_KEY), where)
    return _picture(key, picture, f"{where}.{key}")


def _picture(key: str, value: Any, where: str) -> Input:
    if key != URL_KEY:
        return _array(value, where) if isinstance(value, list) else _image(value, where)
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_URL:
        raise InvalidRequest(f"{where} must be a URL of at most {LONGEST_URL} characters")
    return ImageUrl(value)


def _image(value: Any, where: str) -> EncodedImage:
    if isinstance(value, dict) and "b64" in value:
        value = value["b64"]
    if not isinstance(value, str):
        raise InvalidRequest(f"{where} must be a base64 string, got {type(value).__name__}")
    text = value.partition(",")[2] if value[:5].lower() == "data:" else value
    try:
        return EncodedImage(base64.b64decode("".join(text.split()), validate=True))    # many tools break it into lines
    except (ValueError, binascii.Error) as error:
        raise InvalidRequest(f"{where} is not base64: {error}; send the bytes of an image file in base64") from error


def _array(value: list[Any], where: str = "the list") -> Input:
    try:
        return from_array(np.array(value))
    except (ValueError, OverflowError) as error:
        raise InvalidRequest(f"{where} is not an array: its lists differ in length or depth") from error
