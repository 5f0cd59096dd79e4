"""The findings of the doctor on the terminal."""

from __future__ import annotations

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from sweep.image_checks.image_findings import FindingEntry, ImageFinding, counted
from sweep.image_checks.image_report import PARTS, ImageReport
from sweep.space.wording import printable

STYLES = {"problem": "bold red", "warning": "yellow", "note": "cyan"}
CLASSES_SHOWN = 20
GROUPS_SHOWN = 5
MEMBERS_SHOWN = 4


def print_image_report(report: ImageReport, console: Console) -> None:
    """Print the images per class, the findings, and the number of findings of each level."""
    classes = counted(len(report.counts), "class", "classes")
    console.print(f"{printable(report.description)}: {counted(report.images, 'image')}, {classes}")
    console.print(Padding(_classes(report), (0, 0, 0, 2)))
    for finding in report.findings:
        _print_finding(finding, console)
    console.print()
    levels = [counted(len(report.of(level)), level) for level in STYLES if report.of(level)]
    console.print(", ".join(levels) or "no problems found")


def _classes(report: ImageReport) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("class")
    parts = [part for part in PARTS if part != "unused" or any(c["unused"] for c in report.counts.values())]
    for part in parts:
        table.add_column(part, justify="right")
    for name, counts in list(report.counts.items())[:CLASSES_SHOWN]:
        table.add_row(Text(printable(name)), *(f"{counts[part]:,}" for part in parts))
    if len(report.counts) > CLASSES_SHOWN:
        table.add_row(Text(f"and {len(report.counts) - CLASSES_SHOWN} more", style="dim"))
    return table


def _print_finding(finding: ImageFinding, console: Console) -> None:
    console.print()
    console.print(Text.assemble((f"{finding.level}: ", STYLES[finding.level]), printable(finding.title)))
    for group in finding.groups[:GROUPS_SHOWN]:
        console.print(Text(f"  {_group(group)}"))
    if len(finding.groups) > GROUPS_SHOWN:
        console.print(Text(f"  and {len(finding.groups) - GROUPS_SHOWN:,} more", style="dim"))
    console.print(Text(f"  {finding.advice}", style="dim"))


def _group(group: tuple[FindingEntry, ...]) -> str:
    members = "  =  ".join(_entry(entry, single=len(group) == 1) for entry in group[:MEMBERS_SHOWN])
    return f"{members}  and {len(group) - MEMBERS_SHOWN} more" if len(group) > MEMBERS_SHOWN else members


def _entry(entry: FindingEntry, *, single: bool) -> str:
    part = f" [{entry.part}]" if entry.part and not single else ""
    detail = f": {entry.detail}" if entry.detail else ""
    return printable(f"{entry.name}{part}{detail}")
