"""One decoder: the body of a request comes in, its pictures go into the slots, and what is said about them goes back.

    {"type": content type or null, "free": [slots that are no longer needed]} + body
    ->  {"slots": [[slot, fill], ...], "brightness": [...], "seconds": s}
    ->  {"urls": [...]}                              pictures that somebody else has to fetch first
    ->  {"error": "BadImage", "message": "..."}      a class of `tintype.errors`, or "bug"

It runs below a memory limit and a time limit. What kills it costs one request.
"""

from __future__ import annotations

import heapq
import logging
import time
from collections.abc import Sequence
from typing import final

import numpy as np

from tintype.datasets.brightness import brightness
from tintype.datasets.transforms import Preprocessing
from tintype.errors import InvalidRequest, TooLarge
from tintype.freed_memory import keep_freed_memory
from tintype.serving.content.content_types import read_request
from tintype.serving.content.inputs import EncodedImage, ImageUrl, Input, Pixels, Tensors, count
from tintype.serving.workers.confinement import allow_seconds, confine
from tintype.serving.workers.frames import Json, Link
from tintype.serving.workers.slots import Fill, Slots, SlotShape

BUG = "bug"
KEPT_BYTES = 16 * 1024**2       # for the next picture; it is a photograph scaled down while it is decoded
Placed = tuple[int, Fill]

log = logging.getLogger("tintype.serving")


def run(link: Link, options: Json, descriptors: Sequence[int]) -> None:
    """Decode until the front hangs up, or memory has run out once. `options` are those of `Decoders`."""
    try:
        decoder = Decoder(options, descriptors[0])
    except InvalidRequest as error:     # the network's process says so too, to whoever starts the server
        log.error("decoder: the archive's description is wrong: %s", error)
        return
    keep_freed_memory(KEPT_BYTES)
    confine(options["memory_bytes"])
    while (job := link.receive()) is not None:
        header, body = job
        allow_seconds(options["seconds"])
        answer = decoder.answer(header, body)
        link.send(answer)
        if answer.get("spent"):
            return              # what is left of the memory is in pieces; the next one starts afresh


@final
class Decoder:
    """Bodies to slots."""

    def __init__(self, options: Json, region: int) -> None:
        self._preprocessing = Preprocessing.from_json(options["preprocessing"])
        shape = SlotShape(options["slots"], self._preprocessing.size)
        self._slots = Slots(region, shape, writable=True)
        self._free = sorted(set(range(shape.count)) - set(options["busy"]))     # a heap: low slots are used first
        self._max_pixels: int = options["max_pixels"]
        self._most_images: int = options["images_per_request"]
        self._input_shape = (3, shape.size, shape.size)

    def answer(self, header: Json, body: bytes) -> Json:
        """What is said about one job."""
        started = time.perf_counter()
        for slot in header["free"]:
            heapq.heappush(self._free, slot)
        taken: list[Placed] = []
        try:
            inputs = read_request(header["type"], body)
            self._check_count(inputs)
            urls = [one.url for one in inputs if isinstance(one, ImageUrl)]
            if len(urls) == len(inputs):
                return {"urls": urls}
            if urls:
                raise InvalidRequest("a request has URLs for all of its pictures or none; send two requests")
            brightness = self._place_all(inputs, taken)
            return {"slots": taken, "brightness": brightness, "seconds": time.perf_counter() - started}
        except InvalidRequest as error:
            self._give_back(taken)
            return {"error": type(error).__name__, "message": str(error)}
        except MemoryError:
            message = "the picture takes more memory than a decoder may have; make it smaller"
            return {"error": TooLarge.__name__, "message": message, "spent": True}
        except Exception:                       # a bug of ours or of a decoder's: said, logged, and survived
            self._give_back(taken)
            log.exception("a decoder failed on a body of %d bytes of type %r", len(body), header["type"])
            return {"error": BUG, "message": "the server failed on this picture; its log says how"}

    def _check_count(self, inputs: tuple[Input, ...]) -> None:
        found = count(inputs)
        if found > self._most_images:
            limit = f"the limit is {self._most_images}"
            raise TooLarge(f"the request has {found:,} pictures, and {limit}; send it in parts")

    def _place_all(self, inputs: tuple[Input, ...], taken: list[Placed]) -> list[float]:
        """`_place` each; of several, the one that is bad is named."""
        brightness: list[float] = []
        for number, one in enumerate(inputs, 1):
            try:
                brightness += self._place(one, taken)
            except InvalidRequest as error:
                if len(inputs) == 1:
                    raise
                raise type(error)(f"picture {number} of {len(inputs)}: {error}") from error
        return brightness

    def _place(self, one: Input, taken: list[Placed]) -> list[float]:
        """Put pictures into slots, and return how bright each of them is."""
        match one:
            case EncodedImage(content=content):
                return [self._place_pixels(self._preprocessing.decode(content, self._max_pixels), taken)]
            case Pixels(rgb=batch):
                return [self._place_pixels(self._preprocessing.apply(rgb), taken) for rgb in batch]
            case Tensors(values=values):
                if values.shape[1:] != self._input_shape:
                    wrong = f"this model takes tensors of shape {self._input_shape}, got {values.shape[1:]}"
                    raise InvalidRequest(wrong)
                return [self._place_tensor(tensor, taken) for tensor in values]
            case ImageUrl():
                raise InvalidRequest("a URL is not a picture yet")

    def _place_pixels(self, rgb: np.ndarray, taken: list[Placed]) -> float:
        slot = self._take(Fill.PIXELS, taken)
        self._slots.pixels(slot)[...] = rgb
        return round(brightness(rgb), 4)

    def _place_tensor(self, tensor: np.ndarray, taken: list[Placed]) -> float:
        slot = self._take(Fill.TENSOR, taken)
        self._slots.tensor(slot)[...] = tensor
        channels = tensor.mean(axis=(1, 2), dtype=np.float64) * self._preprocessing.std + self._preprocessing.mean
        return round(float(channels.mean()), 4)

    def _take(self, fill: Fill, taken: list[Placed]) -> int:
        slot = heapq.heappop(self._free)        # there is one: the front sends no more than there is room for
        taken.append((slot, fill))
        return slot

    def _give_back(self, taken: list[Placed]) -> None:
        for slot, _ in taken:
            heapq.heappush(self._free, slot)
