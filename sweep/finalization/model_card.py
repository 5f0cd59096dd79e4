"""The model card: what the model is, what it was made from, how good it is, and where not to trust it.

After Mitchell et al., "Model Cards for Model Reporting", 2019.
"""

from __future__ import annotations

from sweep.records.final_result import FinalResult
from sweep.reporting.final_page import gap_text, half_interval, luck_text, verdict_text
from sweep.space.config import config_to_mapping, flatten

SMALL = 1000
"""Test images below which the interval is wide enough to say so."""
CALIBRATED = 0.02
"""Expected calibration error below which probabilities are taken as they are."""
WEAK = 10
"""Points of accuracy that a class may lie below the whole before it is named."""


def model_card(result: FinalResult, openings: str) -> str:
    """The card in Markdown.

    Args:
        result: of `finalize`.
        openings: the sentence about the test set's openings.
    """
    trained, test = result.trained, result.test
    data = trained.data
    shape = "x".join(map(str, data.shape))
    lines = [
        f"# {result.study}",
        "",
        f"An image classifier of {len(data.classes)} classes: raw pixels 0 to 255 of {shape} (height, width, channels; "
        "uint8) in, a number per class out. Scaling is inside the model.",
        "",
        "## Classes, in the order of the outputs",
        "",
        ", ".join(f"{place} {_plain(name)}" for place, name in enumerate(data.classes)),
        "",
        "## Data",
        "",
        f"- {_plain(trained.config.data.name)}: {trained.images:,} images for training (the search's training and "
        f"validation images together), {test.images:,} for the test, which nothing was chosen by",
        f"- digest of the training images: `{data.digest}`",
        "",
        "## Metrics on the test set",
        "",
        f"- accuracy {test.accuracy:.4f} (95 % Wilson interval {test.low:.4f} to {test.high:.4f})",
        f"- loss {test.loss:.4f}, expected calibration error {test.calibration_error:.4f}",
        f"- {gap_text(result)}",
        f"- {openings}",
        "",
        "| class | images | accuracy | 95 % interval | most often taken for |",
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
        f"Trained for {len(trained.learning_rates)} epochs, learning rates "
        f"{', '.join(f'{rate:.4g}' for rate in _thinned(trained.learning_rates))}.",
        "",
        "```",
        *(f"{key}: {_yaml(value)}" for key, value in flatten(config_to_mapping(trained.config)).items()),
        "```",
        "",
        f"Weights digest `{trained.weights_digest}`, {trained.parameters:,} weights; "
        f"{', '.join(f'{name} {result.environment[key]}' for name, key in _VERSIONS if key in result.environment)}.",
    ]
    return "\n".join(lines) + "\n"


_VERSIONS = (("TensorFlow", "version.tensorflow"), ("Keras", "version.keras"), ("Python", "version.python"))


def limits(result: FinalResult) -> list[str]:
    """What the numbers themselves say against the model."""
    test = result.test
    found = [
        "It names one of its classes for any image, also for one that shows none of them.",
        "Images unlike those of the data set (other cameras, other cuts, other sizes) were not tested.",
    ]
    if test.images < SMALL:
        found.append(
            f"The test set is small: the accuracy is known to {100 * (test.high - test.low) / 2:.1f} points only."
        )
    weak = [c for c in test.classes if c.accuracy is not None and 100 * (test.accuracy - c.accuracy) > WEAK]
    if weak:
        found.append("Weak classes: " + ", ".join(f"{_plain(c.name)} ({c.accuracy:.1%})" for c in weak) + ".")
    if test.calibration_error > CALIBRATED:
        gap = test.confidence - test.accuracy
        found.append(
            f"Its probabilities are on average {'higher' if gap > 0 else 'lower'} than its accuracy "
            f"({test.confidence:.1%} against {test.accuracy:.1%}): do not take them at their word."
            if abs(gap) > half_interval(test)
            else "How far its probabilities can be believed is not certain: calibration error "
            f"{test.calibration_error:.3f} on {test.images:,} images."
        )
    if result.verdict in ("tie", "not repeated"):
        found.append("That it is the best of the search is not certain, see above.")
    return found


def _yaml(value: object) -> str:
    """As a space file has it."""
    return {None: "null", True: "true", False: "false"}[value] if isinstance(value, bool | None) else str(value)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _plain(text: str) -> str:
    """Without signs that Markdown or HTML would take for their own."""
    return "".join(f"\\{sign}" if sign in "\\`*_[]<>|#" else sign for sign in text if sign.isprintable())


def _thinned(rates: tuple[float, ...]) -> list[float]:
    """Each rate where it begins."""
    return [rate for place, rate in enumerate(rates) if place == 0 or rate != rates[place - 1]][:20]
