"""A report as a sequence of sections: a question, its answer, and charts or tables. Rendered by `render`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias


@dataclass(frozen=True)
class Chart:
    """A Plotly figure.

    Attributes:
        title: what the chart shows, as a finding or a question.
        note: how to read the chart, or what it leaves out.
        scroll: whether the chart needs a minimum width and scrolls horizontally in a narrow window.
    """

    title: str
    figure: Any
    note: str = ""
    scroll: bool = False


@dataclass(frozen=True)
class Grid:
    """Small charts next to each other."""

    title: str
    charts: tuple[Chart, ...]
    note: str = ""


@dataclass(frozen=True)
class Table:
    """Rows of text.

    Attributes:
        numeric: indices of right-aligned columns.
        folded: the label of a folded table; "" for an open table.
        led: whether the first row is the winner's.
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
    """A long text, folded under a label."""

    label: str
    text: str


@dataclass(frozen=True)
class Notes:
    """A list of sentences."""

    items: tuple[str, ...]


@dataclass(frozen=True)
class Picture:
    """A PNG, embedded in the page.

    Attributes:
        title: what the picture shows; also its alternative text.
        png: the file in base64.
        note: how to read the picture.
    """

    title: str
    png: str
    note: str = ""


Block: TypeAlias = Chart | Grid | Table | Code | Folded | Notes | Picture


@dataclass(frozen=True)
class Section:
    """One question.

    Attributes:
        anchor: the id on the page.
        short: one or two words for the navigation.
        answer: sentences, the finding first.
    """

    anchor: str
    short: str
    question: str
    answer: tuple[str, ...]
    blocks: tuple[Block, ...] = ()


@dataclass(frozen=True)
class Card:
    """A number at the top of the page."""

    value: str
    label: str


@dataclass(frozen=True)
class Document:
    """The whole report."""

    title: str
    subtitle: str
    cards: tuple[Card, ...]
    sections: tuple[Section, ...] = ()

    @property
    def charts(self) -> Sequence[Chart]:
        """All charts, in order, including those of grids."""
        blocks = [block for section in self.sections for block in section.blocks]
        return [c for b in blocks for c in (b.charts if isinstance(b, Grid) else [b] if isinstance(b, Chart) else [])]
