"""The report on a set of images as one HTML page that contains its pictures, loads nothing and runs no script."""

from __future__ import annotations

import base64
import io
import warnings
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from PIL import Image

from sweep.image_checks.image_findings import LEVELS, FindingEntry, ImageFinding
from sweep.image_checks.image_report import PARTS, ImageReport, ReadPicture
from sweep.records.array_types import UInt8Array
from sweep.space.wording import printable

GROUPS_SHOWN = 24
MEMBERS_SHOWN = 6
LONGEST = 128
"""Longer side of a picture in pixels."""
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


@dataclass(frozen=True)
class Shown:
    """An entry with its picture as a `data:` address; "" without a picture."""

    entry: FindingEntry
    picture: str


@dataclass(frozen=True)
class FindingSection:
    """A finding with the groups that the page shows; `left` is the number of groups that it omits."""

    finding: ImageFinding
    groups: tuple[tuple[Shown, ...], ...]
    left: int

    @property
    def pictures(self) -> bool:
        """True if there is a picture to show."""
        return any(shown.picture for group in self.groups for shown in group)


def image_report_html(report: ImageReport) -> str:
    """Return the page. File names may hold any text, so control characters are made visible and all text is escaped."""
    loader = PackageLoader("sweep.image_checks", "")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined)
    environment.filters |= {"plain": printable, "prose": _prose}
    return environment.get_template("page.html.j2").render(
        report=report,
        sections=[_section(finding, report.picture) for finding in report.findings],
        levels=[(level, len(report.of(level))) for level in LEVELS],
        parts=PARTS,
        most=max((sum(counts.values()) for counts in report.counts.values()), default=0) or 1,
        policy=POLICY,
    )


def _section(finding: ImageFinding, picture: ReadPicture) -> FindingSection:
    shown = tuple(
        tuple(Shown(entry, _picture(entry.name, picture) if entry.part else "") for entry in group[:MEMBERS_SHOWN])
        for group in finding.groups[:GROUPS_SHOWN]
    )
    return FindingSection(finding, shown, len(finding.groups) - len(shown))


def _picture(name: str, picture: ReadPicture) -> str:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the finding already says that the image is large or odd
            pixels = picture(name)
    except Exception:  # damaged files raise many types; the page names the fault
        return ""
    return f"data:image/png;base64,{base64.b64encode(_png(pixels)).decode()}"


def _png(pixels: UInt8Array) -> bytes:
    image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    image.thumbnail((LONGEST, LONGEST))
    stream = io.BytesIO()
    image.save(stream, "PNG", optimize=True)
    return stream.getvalue()


def _prose(text: str) -> Markup:
    """Mark text between backticks as code."""
    pieces = printable(text).split("`")
    return Markup("").join(
        Markup("<code>{}</code>").format(p) if odd % 2 else escape(p) for odd, p in enumerate(pieces)
    )
