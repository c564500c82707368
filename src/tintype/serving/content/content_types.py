"""Content types: request bytes to inputs, predictions to answer bytes. A new type is one line in a table here."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable

import numpy as np

from tintype.errors import InvalidRequest, Unsupported
from tintype.serving.content.accept import CSV, JSON, NPY, AnswerFormat, Layout, Scores
from tintype.serving.content.arrays import read_npy, write_npy
from tintype.serving.content.inputs import EncodedImage, Input, from_array
from tintype.serving.content.instances import read_json
from tintype.serving.content.multipart import read_multipart
from tintype.serving.content.predictions import Predictions

UNICODE = json.JSONEncoder(ensure_ascii=False)          # `dumps` would make one for each answer
ECHOED = 100                                            # characters of a type that is not read, in what is said of it
FORM = "application/x-www-form-urlencoded"              # never read: any site's page may send it

Reader = Callable[[bytes, str], tuple[Input, ...]]      # the body, and its whole content type
Writer = Callable[[Predictions, AnswerFormat], bytes]


def read_request(content_type: str | None, content: bytes) -> tuple[Input, ...]:
    """The pictures in a request's body, at least one.

    A missing `content_type` is taken for application/octet-stream. Raises `Unsupported` (415) for a type that is not in
    `READERS`, `InvalidRequest` for a body that is not what its type says. Encoded pictures are not decoded yet.
    """
    media_type = (content_type or "application/octet-stream").partition(";")[0].strip().lower()
    reader = READERS.get(ALSO_CALLED.get(media_type, media_type))
    if reader is None:
        shown = media_type[:ECHOED]
        hint = "curl says so unless told otherwise, by -H 'Content-Type: image/jpeg'; " if media_type == FORM else ""
        raise Unsupported(f"requests of type {shown!r} are not read; {hint}send {', '.join(READERS)}")
    if not content:
        raise InvalidRequest("the request has no body; send a picture")
    return reader(content, content_type or "")


def write_answer(predictions: Predictions, wanted: AnswerFormat) -> bytes:
    """The body of the answer, in the format that was negotiated."""
    return WRITERS[wanted.media_type, wanted.layout](predictions, wanted)


def _read_image(content: bytes, content_type: str) -> tuple[Input, ...]:
    return (EncodedImage(content),)


def _read_npy(content: bytes, content_type: str) -> tuple[Input, ...]:
    return (from_array(read_npy(content)),)


def _read_json(content: bytes, content_type: str) -> tuple[Input, ...]:
    return read_json(content)


def scores_of(predictions: Predictions, wanted: AnswerFormat) -> np.ndarray:
    """float32 (n, classes): the numbers that the caller asked for."""
    return predictions.logits if wanted.scores is Scores.LOGITS else predictions.probabilities


def _write_json(predictions: Predictions, wanted: AnswerFormat) -> bytes:
    classes, answers = predictions.classes, []
    for pairs in predictions.likeliest(wanted.top):
        top = [{"label": classes[index], "index": index, "probability": number} for index, number in pairs]
        answers.append({**top[0], "top": top})
    return UNICODE.encode({"predictions": answers}).encode(errors="replace")


def _write_json_list(predictions: Predictions, wanted: AnswerFormat) -> bytes:
    return json.dumps(scores_of(predictions, wanted).tolist()).encode()


def _write_json_vector(predictions: Predictions, wanted: AnswerFormat) -> bytes:
    rows = scores_of(predictions, wanted).tolist()
    return json.dumps(rows[0] if len(rows) == 1 else rows).encode()


def _write_csv(predictions: Predictions, wanted: AnswerFormat) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("label", "index", "probability"))
    writer.writerows((best.label, best.index, best.probability) for (best,) in predictions.top(1))
    return text.getvalue().encode(errors="replace")


def _write_csv_list(predictions: Predictions, wanted: AnswerFormat) -> bytes:
    rows = (",".join(map(repr, row)) for row in scores_of(predictions, wanted).tolist())
    return "".join(f"{row}\n" for row in rows).encode()


def _write_npy(predictions: Predictions, wanted: AnswerFormat) -> bytes:
    return write_npy(scores_of(predictions, wanted))


READERS: dict[str, Reader] = {
    "image/jpeg": _read_image,
    "image/png": _read_image,
    "image/webp": _read_image,
    "image/gif": _read_image,
    "image/bmp": _read_image,
    "image/tiff": _read_image,
    "application/x-image": _read_image,
    "application/octet-stream": _read_image,
    "application/x-npy": _read_npy,
    "application/json": _read_json,
    "multipart/form-data": read_multipart,
}

ALSO_CALLED = {                                     # names that are no types, or no more, and are sent
    "image/jpg": "image/jpeg",
    "image/pjpeg": "image/jpeg",
    "image/x-png": "image/png",
    "image/x-bmp": "image/bmp",
    "image/x-ms-bmp": "image/bmp",
    "image/tif": "image/tiff",
    "image/x-tiff": "image/tiff",
    "image/*": "application/x-image",
    "binary/octet-stream": "application/octet-stream",      # S3's, for files that were uploaded without a type
}

WRITERS: dict[tuple[str, Layout], Writer] = {
    (JSON, Layout.PREDICTIONS): _write_json,
    (JSON, Layout.LIST): _write_json_list,
    (JSON, Layout.VECTOR): _write_json_vector,
    (CSV, Layout.PREDICTIONS): _write_csv,
    (CSV, Layout.LIST): _write_csv_list,
    (CSV, Layout.VECTOR): _write_csv_list,
    (NPY, Layout.PREDICTIONS): _write_npy,
    (NPY, Layout.LIST): _write_npy,
    (NPY, Layout.VECTOR): _write_npy,
}
