"""`sweep repair`: rebuild the database of a study from its records."""

from __future__ import annotations

from pathlib import Path

from sweep.commands.command_line import HomeOption, JsonOption, StudyOption, run_as_program


def repair_command(study: StudyOption, home: HomeOption = Path(), as_json: JsonOption = False) -> None:
    """Rebuild a study's database from its trial records, if it is missing, damaged or older than they are."""
    from sweep.commands.repair import repair_and_report

    repair_and_report(home, study, as_json)


if __name__ == "__main__":
    run_as_program(repair_command, "repair")
