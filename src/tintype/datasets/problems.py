"""What can be wrong with a data set: the kinds, how much each matters, and what to do about it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, final

MOST_NAMED = 50                    # files and groups that a problem names; `count` counts all


class Severity(StrEnum):
    """How much a problem matters."""

    ERROR = "error"                # these files, or the whole set, cannot be trained on as they are
    WARNING = "warning"            # training works, but the model or its figures suffer
    NOTE = "note"                  # taken care of when the files are read; good to know


@dataclass(frozen=True)
class Kind:
    """One kind of problem. `advice` is for somebody who meets it for the first time."""

    severity: Severity
    title: str
    advice: str


QUARANTINED = "Training leaves them out and says so (with --strict it stops)."

KINDS: dict[str, Kind] = {
    "single-class": Kind(
        Severity.ERROR,
        "there is one class only",
        "A classifier needs at least two classes to tell apart. Put the images of each class into a folder of its own; "
        "if there is only one thing to recognise, add a class of pictures that do not show it.",
    ),
    "missing-file": Kind(
        Severity.ERROR,
        "files that are listed but not there",
        f"The manifest or a link names files that do not exist. Correct the paths (they are relative to the folder of "
        f"the manifest) or get the files. {QUARANTINED}",
    ),
    "empty-file": Kind(
        Severity.ERROR,
        "files without content",
        f"They have no bytes, mostly because a download or a copy was cut off. Get them again or delete them. "
        f"{QUARANTINED}",
    ),
    "not-an-image": Kind(
        Severity.ERROR,
        "files that are no images",
        f"Their content is not JPEG, PNG, WebP, GIF, BMP or TIFF, whatever their names say. Delete them, or convert "
        f"them if they are pictures of another format (HEIC, AVIF, SVG, raw). {QUARANTINED}",
    ),
    "truncated": Kind(
        Severity.ERROR,
        "images that end too early",
        f"A part of the file is missing, mostly because a download or a copy was cut off. Get them again or delete "
        f"them. {QUARANTINED}",
    ),
    "unreadable": Kind(
        Severity.ERROR,
        "images that cannot be read",
        f"The file is damaged, has a layout that is not supported, or may not be opened by this user; the details say "
        f"which. Get it again, save it anew with an image editor, or correct its permissions. {QUARANTINED}",
    ),
    "too-large": Kind(
        Severity.ERROR,
        "images of absurd size",
        f"They claim more pixels than the limit, as files made to exhaust memory do. If they are real, make them "
        f"smaller, or raise the limit with TINTYPE_MAX_PIXELS. {QUARANTINED}",
    ),
    "duplicate-across-splits": Kind(
        Severity.WARNING,
        "the same file in two splits",
        "The model is tested on pictures that it has been trained on, so its figures are too good to be true. Delete "
        "the copies from all splits but one.",
    ),
    "near-duplicate-across-splits": Kind(
        Severity.WARNING,
        "nearly the same picture in two splits",
        "Copies that were saved again or resized, or frames of one scene, are on both sides, so the figures are too "
        "good to be true. Look at the pairs; keep what belongs together in one split.",
    ),
    "label-conflict": Kind(
        Severity.WARNING,
        "the same picture in two classes",
        "One of the two labels is wrong, or the picture shows both classes. Keep the file in the class it belongs to, "
        "and delete it from the other.",
    ),
    "missing-class": Kind(
        Severity.WARNING,
        "a class that a split lacks",
        "A class without images in train is never learnt; without images in valid or test nobody knows how well it is "
        "recognised. Add some images, correct a folder's name if it was misspelt, or let Tintype make the splits.",
    ),
    "similar-classes": Kind(
        Severity.WARNING,
        "classes whose names hardly differ",
        "They differ only in capitals, or in blanks, hyphens and underscores, and are trained as different classes. If "
        "they mean the same, give them one name.",
    ),
    "imbalance": Kind(
        Severity.WARNING,
        "some classes have far more images than others",
        "The model will favour the large classes, and accuracy will hide it: look at recall per class. Add images to "
        "the small classes, or train with class weights (-p balance=weights).",
    ),
    "few-images": Kind(
        Severity.WARNING,
        "classes with few images",
        "So few examples are rarely enough to learn from, and figures measured on so few mean little. Add images, or "
        "start from pretrained weights with a frozen backbone.",
    ),
    "unusual-format": Kind(
        Severity.WARNING,
        "a file of another format than all the others",
        "It is often no picture of the class but a placeholder such as 'image not found', an icon or a screenshot. "
        "Look at it; delete it if it does not show its class.",
    ),
    "blank": Kind(
        Severity.WARNING,
        "images of a single tone",
        "There is nothing to see in them: an empty scan, a covered lens, a stand-in for a picture that was lost. "
        "Look at them; delete those that do not show their class.",
    ),
    "duplicate": Kind(
        Severity.WARNING,
        "the same file more than once",
        "The copies teach nothing new and weigh more than other pictures. Keep one of each.",
    ),
    "near-duplicate": Kind(
        Severity.NOTE,
        "nearly the same picture more than once",
        "Copies that were saved again or resized, or frames of one scene, weigh more than other pictures. That does "
        "little harm within a split; thin them out if there are many.",
    ),
    "odd-extension": Kind(
        Severity.NOTE,
        "files whose name says another format",
        "They are read by their content, so nothing is lost here; other programs may refuse them. Rename them.",
    ),
    "rotated": Kind(
        Severity.NOTE,
        "photographs to be turned upright",
        "The camera noted how it was held (EXIF), and they are turned when they are read, here and when the model is "
        "served. A program that ignores the note sees them lying on their side.",
    ),
    "cmyk": Kind(
        Severity.NOTE,
        "images in the colours of print",
        "They are converted from CMYK to RGB when they are read; colour profiles are not applied, so colours may "
        "differ a little. Save them as RGB if that matters.",
    ),
    "sixteen-bit": Kind(
        Severity.NOTE,
        "images with 16 bits per colour",
        "They are scaled to 8 bits when they are read. If the values of interest fill a small part of the range "
        "(medical or depth images), stretch them before.",
    ),
    "alpha": Kind(
        Severity.NOTE,
        "images with transparent parts",
        "Transparent parts are shown on white when they are read, here and when the model is served. Put them on "
        "another background beforehand if white is not what the model will see.",
    ),
    "animated": Kind(
        Severity.NOTE,
        "animations",
        "Only the first frame is used. Take the frames apart if the others matter.",
    ),
}  # fmt: skip


@final
@dataclass(frozen=True)
class DataProblem:
    """One kind of problem and where it is. All paths are relative to the root of the data set."""

    kind: str                                  # a name in KINDS
    count: int                                 # files concerned; of kinds that are about classes: so many of those
    files: tuple[str, ...] = ()                # the first MOST_NAMED of them
    details: tuple[str, ...] = ()              # the same, as sentences: "a.jpg: truncated JPEG: ..."
    groups: tuple[tuple[str, ...], ...] = ()   # of duplicates and conflicts: which files are the same

    @property
    def severity(self) -> Severity:
        """How much it matters."""
        return KINDS[self.kind].severity

    @property
    def title(self) -> str:
        """What it is, in a few words."""
        return KINDS[self.kind].title

    @property
    def advice(self) -> str:
        """What to do about it."""
        return KINDS[self.kind].advice

    def to_json(self) -> dict[str, Any]:
        """All of it, with severity, title and advice."""
        words = {"severity": self.severity.value, "title": self.title, "advice": self.advice}
        return {**asdict(self), **words}
