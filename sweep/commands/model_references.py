"""Find the file of a model reference: a study, a .keras file, `models:/…` or `runs:/…`."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sweep.errors import ModelFileError, RecordError, StudyError
from sweep.invocation import command_text
from sweep.records.array_types import Shape
from sweep.records.final_result import MODEL_FILE, final_folder
from sweep.records.home import Home
from sweep.records.keras_archive import ModelFacts, check_archive, input_shape, read_facts
from sweep.records.study_records import ranked, read_records
from sweep.records.trial_record import TrialRecord, read_record, trial_folder
from sweep.space.fields import check_study_name
from sweep.tracking.open_mlflow import REFERENCE, download_model


@dataclasses.dataclass(frozen=True)
class FoundModel:
    """A model file that has been checked.

    Attributes:
        description: what the model is, for messages.
        shape: height, width and channels of its images.
        classes: class names in the order of the outputs; None if they are not known.
        facts: where the model comes from; None for a file of another program.
    """

    path: Path
    description: str
    shape: Shape
    classes: tuple[str, ...] | None
    facts: ModelFacts | None

    def named(self, count: int) -> tuple[str, ...]:
        """Return the names of `count` classes; numbers if the names are not known.

        Raises:
            ModelFileError: the number of names is not `count`.
        """
        names = self.classes or tuple(str(number) for number in range(count))
        if len(names) != count:
            raise ModelFileError(
                f"{self.description}: the file has {len(names)} class names, but the model has {count} outputs"
            )
        return names


@contextmanager
def find_model(reference: str, home: Home, tracking_uri: str | None) -> Iterator[FoundModel]:
    """Yield the model; a downloaded file is removed at the end of the block.

    Args:
        reference: the model; a study's name means its final model or, if it has none yet, the model of its best trial.
        home: the folder with the studies and the local MLflow store.
        tracking_uri: MLflow store for `models:/…` and `runs:/…`.

    Raises:
        ModelFileError: there is no such model, or its file is refused.
        StudyError: the study has no model file.
        TrackingError: the store is unreachable, or has no such model.
    """
    if REFERENCE.fullmatch(reference):
        with tempfile.TemporaryDirectory(prefix="sweep-") as folder:
            path, classes = download_model(reference, tracking_uri, home.root, Path(folder))
            yield _checked(path, reference, classes)
    elif Path(reference).is_file() or Path(reference).suffix in (".keras", ".h5", ".hdf5", ".pkl", ".pickle"):
        yield _checked(Path(reference), reference, None)
    elif check_study_name(reference) or not (home.studies / reference).is_dir():
        raise ModelFileError(
            f"--model {reference}: no such file, and {home.studies} has no study of that name; "
            "expected a study, a .keras file, models:/NAME@champion or runs:/ID/PATH"
        )
    else:
        path, description = _of_study(reference, home)
        yield _checked(path, description, None)


def _of_study(name: str, home: Home) -> tuple[Path, str]:
    folder = home.study(name)
    final = final_folder(folder) / MODEL_FILE
    if final.is_file():
        return final, f"the final model of the study {name}"
    for record in ranked(read_records(folder)):
        path = trial_folder(folder, record.number) / (record.model_file or MODEL_FILE)
        if path.is_file():
            return path, f"trial {record.number} of the study {name}, which has no final model yet"
    raise StudyError(
        f"the study {name} has no model file; train its final model: {command_text('finalize')} --study {name}"
    )


def _checked(path: Path, description: str, classes: tuple[str, ...] | None) -> FoundModel:
    check_archive(path)
    facts = read_facts(path) or _facts_from_record(path)
    return FoundModel(path, description, input_shape(path), facts.classes if facts else classes, facts)


def _facts_from_record(path: Path) -> ModelFacts | None:
    """Return the facts of a trial's model, from the record in the same folder."""
    try:
        record: TrialRecord = read_record(path.parent)
    except RecordError:
        return None
    if record.model_file != path.name:
        return None
    return ModelFacts(
        study=record.study,
        trial=record.number,
        classes=record.data.classes,
        shape=record.data.shape,
        data=record.config.data,
        digest=record.data.digest,
        threads=record.config.threads,
        output=record.config.model.output,
    )
