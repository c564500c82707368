"""What botocore's model says that a request must keep to, and AWS's own words for what does not."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import regex
from botocore.model import ListShape, MapShape, Shape, StringShape, StructureShape

from tintype.web.faults import AwsFault

MOST_SHOWN = 10             # violations in a message
LONGEST_SHOWN = 512         # letters of a value in a message
MATCH_SECONDS = 0.5         # a pattern that takes longer than this is taken to fit: it is the model's, not the caller's

# The code of a violation by service; the others say ValidationException.
CODES = {
    "logs": "InvalidParameterException", "cloudwatch": "InvalidParameterValue", "ecr": "InvalidParameterException",
    "iam": "ValidationError", "sts": "ValidationError", "sagemaker-runtime": "ValidationError", "s3": "InvalidArgument",
}  # fmt: skip


def check(service: str, shape: Shape | None, value: Any) -> None:
    """Nothing, when the value keeps to all constraints of its shape. Raises `AwsFault` that lists those it does not."""
    found = list(_violations(shape, value, "")) if shape is not None else []
    if not found:
        return
    count = f"{len(found)} validation error{'s' if len(found) > 1 else ''} detected"
    raise AwsFault(CODES.get(service, "ValidationException"), f"{count}: {'; '.join(found[:MOST_SHOWN])}")


def _violations(shape: Shape, value: Any, path: str) -> Iterator[str]:
    if isinstance(shape, StructureShape):
        if isinstance(value, dict):
            yield from _of_structure(shape, value, path)
    elif isinstance(shape, ListShape):
        yield from _of_size(shape, len(value), _shown(value), path)
        for index, one in enumerate(value):
            yield from _violations(shape.member, one, f"{path}.{index + 1}.member")
    elif isinstance(shape, MapShape):
        yield from _of_size(shape, len(value), _shown(value), path)
        for key, one in value.items():
            yield from _violations(shape.key, key, f"{path}.key")
            yield from _violations(shape.value, one, f"{path}.{key}.member")
    elif isinstance(value, str):
        yield from _of_text(shape, value, path)
    elif isinstance(value, bytes):
        yield from _of_size(shape, len(value), f"{len(value)} bytes", path)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield from _of_number(shape, value, path)


def _of_structure(shape: StructureShape, value: dict[str, Any], path: str) -> Iterator[str]:
    for name in shape.required_members:
        if value.get(name) is None:
            yield _violated("null", _below(path, name), "not be null")
    for name, one in value.items():
        if name in shape.members and one is not None:
            yield from _violations(shape.members[name], one, _below(path, name))


def _of_text(shape: Shape, value: str, path: str) -> Iterator[str]:
    yield from _of_size(shape, len(value), f"'{_cut(value)}'", path)
    allowed = shape.enum if isinstance(shape, StringShape) else []
    if allowed and value not in allowed:
        yield _violated(f"'{_cut(value)}'", path, f"satisfy enum value set: [{', '.join(allowed)}]")
    pattern = shape.metadata.get("pattern")
    if pattern and len(value) <= (shape.metadata.get("max") or len(value)) and not _fits(pattern, value):
        yield _violated(f"'{_cut(value)}'", path, f"satisfy regular expression pattern: {pattern}")


def _of_size(shape: Shape, size: int, shown: str, path: str) -> Iterator[str]:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if least is not None and size < least:
        yield _violated(shown, path, f"have length greater than or equal to {least}")
    if most is not None and size > most:
        yield _violated(shown, path, f"have length less than or equal to {most}")


def _of_number(shape: Shape, value: float, path: str) -> Iterator[str]:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if least is not None and value < least:
        yield _violated(f"'{value}'", path, f"have value greater than or equal to {least}")
    if most is not None and value > most:
        yield _violated(f"'{value}'", path, f"have value less than or equal to {most}")


def _violated(shown: str, path: str, rule: str) -> str:
    return f"Value {shown} at '{path}' failed to satisfy constraint: Member must {rule}"


def _fits(pattern: str, value: str) -> bool:
    compiled = _compiled(pattern)
    try:
        return compiled is None or compiled.fullmatch(value, timeout=MATCH_SECONDS) is not None
    except TimeoutError:
        return True


@cache
def _compiled(pattern: str) -> Any:
    """None for the one pattern of surrogates, which is meant for UTF-16 and which every text fits."""
    try:
        return regex.compile(pattern.replace("\\z", "\\Z"))
    except regex.error:
        return None


def _below(path: str, name: str) -> str:
    """AWS writes the path of a member in camel case."""
    own = name[:1].lower() + name[1:]
    return f"{path}.{own}" if path else own


def _shown(value: Any) -> str:
    return f"'{_cut(str(value))}'"


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."
