"""A report as a sequence of sections: a question, its answer, and what shows it. HTML and Markdown are made of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias


@dataclass(frozen=True)
class Chart:
    """A Plotly figure.

    Attributes:
        title: what it shows, as a finding or a question.
        note: how to read it, or what was left out.
        scroll: it needs a width of its own, so it scrolls sideways in a narrow window.
    """

    title: str
    figure: Any
    note: str = ""
    scroll: bool = False


@dataclass(frozen=True)
class Grid:
    """Small charts side by side."""

    title: str
    charts: tuple[Chart, ...]
    note: str = ""


@dataclass(frozen=True)
class Table:
    """Rows of text.

    Attributes:
        numeric: columns that are aligned to the right.
        folded: the label to open it by; empty for a table that is open.
        led: its first row is the winner's.
    """

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: tuple[int, ...] = ()
    note: str = ""
    folded: str = ""
    led: bool = False


@dataclass(frozen=True)
class Code:
    """A command or a file to copy."""

    title: str
    text: str


@dataclass(frozen=True)
class Folded:
    """Long text behind a label."""

    label: str
    text: str


@dataclass(frozen=True)
class Notes:
    """A list of sentences."""

    items: tuple[str, ...]


@dataclass(frozen=True)
class Picture:
    """A PNG, written into the page.

    Attributes:
        title: what it shows; also its text for who cannot see it.
        png: base64.
        note: how to read it.
    """

    title: str
    png: str
    note: str = ""


Block: TypeAlias = Chart | Grid | Table | Code | Folded | Notes | Picture


@dataclass(frozen=True)
class Section:
    """One question.

    Attributes:
        anchor: its place in the page.
        short: one or two words for the navigation.
        answer: sentences; the first is the finding itself.
    """

    anchor: str
    short: str
    question: str
    answer: tuple[str, ...]
    blocks: tuple[Block, ...] = ()


@dataclass(frozen=True)
class Card:
    """One number at the top."""

    value: str
    label: str


@dataclass(frozen=True)
class Document:
    """The whole report."""

    title: str
    subtitle: str
    cards: tuple[Card, ...]
    sections: tuple[Section, ...] = field(default=())

    @property
    def charts(self) -> Sequence[Chart]:
        """All charts, in order."""
        blocks = [block for section in self.sections for block in section.blocks]
        return [c for b in blocks for c in (b.charts if isinstance(b, Grid) else [b] if isinstance(b, Chart) else [])]
