"""The model card: what the model is, its data, its results and its limits.

Its structure follows Mitchell et al., "Model Cards for Model Reporting", 2019.
"""

from __future__ import annotations

from itertools import groupby

from sweep.analysis.formatting import count
from sweep.records.final_result import FinalResult
from sweep.reporting.final_page import gap_text, half_interval, luck_text, verdict_text
from sweep.space.config import config_to_mapping, flatten

SMALL = 1000
"""Number of test images below which the card warns about the wide interval."""
CALIBRATED = 0.02
"""Expected calibration error above which the card warns about the probabilities."""
WEAK = 10
"""The card names classes whose accuracy is more than this number of percentage points below the overall accuracy."""


def model_card(result: FinalResult, openings: str) -> str:
    """Return the card in Markdown.

    Args:
        result: the final result.
        openings: the sentence about the openings of the test set.
    """
    trained, test = result.trained, result.test
    data = trained.data
    shape = "x".join(map(str, data.shape))
    rates = [f"{rate:.4g}" for rate, _ in groupby(trained.learning_rates)][:20]
    lines = [
        f"# {result.study}",
        "",
        f"An image classifier of {len(data.classes)} classes. Its input is raw pixels from 0 to 255, {shape} (height, "
        "width, channels; uint8); its output is a number per class. The model scales the pixels itself.",
        "",
        "## Classes, in the order of the outputs",
        "",
        ", ".join(f"{place} {_plain(name)}" for place, name in enumerate(data.classes)),
        "",
        "## Data",
        "",
        f"- {_plain(trained.config.data.name)}: {trained.images:,} images for training (the search's training and "
        f"validation images together), {test.images:,} for the test, which influenced no decision",
        f"- digest of the training images: `{data.digest}`",
        "",
        "## Metrics on the test set",
        "",
        f"- accuracy {test.accuracy:.4f} (95 % Wilson interval {test.low:.4f} to {test.high:.4f})",
        f"- loss {test.loss:.4f}, expected calibration error {test.calibration_error:.4f}",
        f"- {gap_text(result)}",
        f"- {openings}",
        "",
        "| class | images | accuracy | 95 % interval | most often confused with |",
        "|---|---:|---:|---:|---|",
        *(
            f"| {_plain(c.name)} | {c.images:,} | {_number(c.accuracy)} | {_number(c.low)} to {_number(c.high)} | "
            f"{_plain(c.confused or '-')} |"
            for c in test.classes
        ),
        "",
        "## How it was chosen",
        "",
        verdict_text(result),
        luck_text(result),
        "",
        "## Limits",
        "",
        *(f"- {limit}" for limit in limits(result)),
        "",
        "## Recipe",
        "",
        f"Trained for {count(len(trained.learning_rates), 'epoch')}, learning rates {', '.join(rates)}.",
        "",
        "```",
        *(f"{key}: {_yaml(value)}" for key, value in flatten(config_to_mapping(trained.config)).items()),
        "```",
        "",
        f"Weights digest `{trained.weights_digest}`, {trained.parameters:,} parameters; "
        f"{', '.join(f'{name} {result.environment[key]}' for name, key in _VERSIONS if key in result.environment)}.",
    ]
    return "\n".join(lines) + "\n"


_VERSIONS = (("TensorFlow", "version.tensorflow"), ("Keras", "version.keras"), ("Python", "version.python"))


def limits(result: FinalResult) -> list[str]:
    """Return sentences about the model's limits."""
    test = result.test
    found = [
        "It answers with one of its classes for any image, even if the image shows none of them.",
        "It was not tested on images that differ from the data set (other cameras, crops or sizes).",
    ]
    if test.images < SMALL:
        found.append(
            f"The test set is small: the accuracy is only known to ±{100 * (test.high - test.low) / 2:.1f} points."
        )
    weak = [c for c in test.classes if c.accuracy is not None and 100 * (test.accuracy - c.accuracy) > WEAK]
    if weak:
        found.append("Weak classes: " + ", ".join(f"{_plain(c.name)} ({c.accuracy:.1%})" for c in weak) + ".")
    if test.calibration_error > CALIBRATED:
        gap = test.confidence - test.accuracy
        found.append(
            f"Its probabilities are on average {'higher' if gap > 0 else 'lower'} than its accuracy "
            f"({test.confidence:.1%} against {test.accuracy:.1%}): do not trust them without calibration."
            if abs(gap) > half_interval(test)
            else "Its probabilities may be unreliable: calibration error "
            f"{test.calibration_error:.3f} on {test.images:,} images."
        )
    if result.verdict in ("tie", "not repeated"):
        found.append("It is not certain to be the best model of the search, see above.")
    return found


def _yaml(value: object) -> str:
    """Return the value as in a space file."""
    return {None: "null", True: "true", False: "false"}[value] if isinstance(value, bool | None) else str(value)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _plain(text: str) -> str:
    """Escape characters that are markup in Markdown or HTML."""
    return "".join(f"\\{sign}" if sign in "\\`*_[]<>|#" else sign for sign in text if sign.isprintable())
