"""XML to the values of a shape of botocore's model, and back."""

from __future__ import annotations

import base64
from datetime import datetime
from typing import Any
from xml.etree.ElementTree import Element

from botocore.model import ListShape, MapShape, Shape, StructureShape

from tintype.web.faults import AwsFault
from tintype.web.wire import moments
from tintype.web.wire.json_values import wire_name
from tintype.web.wire.scalars import from_text
from tintype.web.wire.xml_text import escape, malformed_xml


def from_xml(shape: Shape, element: Element) -> Any:
    """The value that an element holds. Raises `AwsFault` MalformedXML."""
    if isinstance(shape, StructureShape):
        return _read_structure(shape, element)
    if isinstance(shape, ListShape):
        own = shape.member.serialization.get("name", "member")
        return [from_xml(shape.member, one) for one in element.findall(own)]
    if isinstance(shape, MapShape):
        raise malformed_xml()           # no request that is supported has one
    try:
        return from_text(shape, element.text or "")
    except AwsFault as error:
        raise malformed_xml() from error


def _read_structure(shape: StructureShape, element: Element) -> Any:
    found = {}
    for name, member in shape.members.items():
        if isinstance(member, ListShape) and member.serialization.get("flattened"):
            own = member.serialization.get("name") or member.member.serialization.get("name") or name
            if values := element.findall(own):
                found[name] = [from_xml(member.member, one) for one in values]
        elif (child := element.find(wire_name(name, member))) is not None:
            found[name] = from_xml(member, child)
    return found


def to_xml(shape: Shape, name: str, value: Any) -> str:
    """`<name>...</name>`. Raises `TypeError` for a member that the shape does not have, which is an error of ours."""
    pieces: list[str] = []
    _write(shape, name, value, pieces)
    return "".join(pieces)


def _write(shape: Shape, name: str, value: Any, pieces: list[str]) -> None:
    if isinstance(shape, StructureShape):
        _write_structure(shape, name, value, pieces)
    elif isinstance(shape, ListShape):
        flat = shape.serialization.get("flattened")
        inner = name if flat else shape.member.serialization.get("name", "member")
        if not flat:
            pieces.append(f"<{name}>")
        for one in value:
            _write(shape.member, inner, one, pieces)
        if not flat:
            pieces.append(f"</{name}>")
    elif isinstance(shape, MapShape):
        pieces.append(f"<{name}>")
        for key, one in value.items():
            pieces.append("<entry>")
            _write(shape.key, shape.key.serialization.get("name", "key"), key, pieces)
            _write(shape.value, shape.value.serialization.get("name", "value"), one, pieces)
            pieces.append("</entry>")
        pieces.append(f"</{name}>")
    else:
        pieces.append(f"<{name}>{escape(text_of(shape, value))}</{name}>")


def _write_structure(shape: StructureShape, name: str, value: Any, pieces: list[str]) -> None:
    members = shape.members
    if not value.keys() <= members.keys():
        unknown = value.keys() - members.keys()
        raise TypeError(f"{shape.name} has no member {', '.join(sorted(unknown))}")
    attributes = ""
    for key, member in members.items() if shape.serialization.get("xmlNamespace") else ():
        if member.serialization.get("xmlAttribute") and value.get(key) is not None:
            prefix = shape.serialization.get("xmlNamespace", {})
            if prefix.get("prefix"):
                attributes += f' xmlns:{prefix["prefix"]}="{escape(prefix["uri"])}"'
            attributes += f' {wire_name(key, member)}="{escape(str(value[key]))}"'
    pieces.append(f"<{name}{attributes}>")
    for key, one in value.items():
        member = members[key]
        how = member.serialization
        if one is not None and "location" not in how and "xmlAttribute" not in how:
            _write(member, _element_name(key, member), one, pieces)
    pieces.append(f"</{name}>")


def _element_name(name: str, member: Shape) -> str:
    if isinstance(member, ListShape) and member.serialization.get("flattened"):
        return member.serialization.get("name") or member.member.serialization.get("name") or name
    return wire_name(name, member)


def text_of(shape: Shape, value: Any) -> str:
    """A scalar as text: booleans in small letters, times in ISO 8601, blobs in base64."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return moments.to_iso(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return str(value)
