"""XML read without trusting it, into `xml.etree` elements: no document type, no entities of its own, limited depth."""

from __future__ import annotations

import re
from typing import Any
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from tintype.web.faults import AwsFault

DEEPEST = 40
SPECIAL = re.compile("[&<>\"\\x00-\\x1f\ufffe\uffff]")
ILLEGAL = {code: None for code in range(0x20) if chr(code) not in "\t\n\r"} | {0xFFFE: None, 0xFFFF: None}
ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\r": "&#13;"})


def malformed_xml() -> AwsFault:
    """What S3 says to a body that is not the XML it reads."""
    return AwsFault(
        "MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema"
    )


def read_xml(body: bytes) -> Element:
    """The root element, names without their namespaces. Raises `AwsFault` MalformedXML."""
    builder = TreeBuilder()
    parser = expat.ParserCreate(namespace_separator="\n")
    depth = 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > DEEPEST:
            raise malformed_xml()
        builder.start(_local(name), {_local(key): value for key, value in attributes.items()})

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(_local(name))

    def refuse(*_: Any) -> None:
        raise malformed_xml()

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(body, True)
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise malformed_xml() from error
    return builder.close()


def escape(text: str) -> str:
    """Text as XML has it; characters that XML cannot hold are left out."""
    return text.translate(ILLEGAL).translate(ESCAPES) if SPECIAL.search(text) else text


def _local(name: str) -> str:
    return name.rsplit("\n", 1)[-1]
