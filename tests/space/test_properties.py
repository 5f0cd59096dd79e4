"""Properties of every space and of every file, valid or not."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sweep.errors import Fault, SpaceError
from sweep.space import corners
from sweep.space.config import config_from_mapping, config_to_mapping
from sweep.space.reader import Override, read_space, space_from_text
from sweep.space.space import Space
from sweep.space.writer import differences, space_to_mapping, space_to_yaml
from tests.space.narrow import vgg

VGG_FILE = Path(__file__).parents[2] / "search_spaces" / "vgg.yaml"
VGG = VGG_FILE.read_text(encoding="utf-8")
SMALL = "model: {builder: vgg, blocks: {low: 1, high: 2}, filters: {each: blocks, choices: [8, 16]}}\n"

spaces_settings = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
fuzz_settings = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def ints(low: int, high: int) -> st.SearchStrategy[Any]:
    """Distributions of integers: choices and ranges, plain, in steps and logarithmic."""
    number = st.integers(low, high)

    @st.composite
    def ranges(draw: st.DrawFn) -> dict[str, Any]:
        a, b = sorted([draw(number), draw(number)])
        form = draw(st.sampled_from(["plain", "step", "log"]))
        if form == "log" and a > 0:
            return {"low": a, "high": b, "log": True}
        if form == "step" and b > a:
            step = draw(st.integers(1, b - a))
            return {"low": a, "high": a + (b - a) // step * step, "step": step}
        return {"low": a, "high": b}

    choices = st.lists(number, min_size=1, max_size=4, unique=True)
    return st.one_of(ranges(), st.fixed_dictionaries({"choices": choices}))


def floats(low: float, high: float) -> st.SearchStrategy[Any]:
    """Distributions of numbers, with `or: 0` for ranges that start above 0."""
    number = st.floats(low, high, allow_subnormal=False)

    @st.composite
    def ranges(draw: st.DrawFn) -> dict[str, Any]:
        a, b = sorted([draw(number), draw(number)])
        form = draw(st.sampled_from(["plain", "step", "log", "or"]))
        if form == "step":
            count, step = draw(st.integers(1, 9)), draw(st.sampled_from([0.1, 0.05, 0.03, 0.01]))
            return {"low": low, "high": min(low + count * step, high), "step": step} if low + 9 * step < high else {
                "low": a, "high": b}  # fmt: skip
        if form == "plain" or a <= 0:
            return {"low": a, "high": b}
        return {"low": a, "high": b, "log": True, **({"or": 0} if form == "or" else {})}

    choices = st.lists(number, min_size=1, max_size=4, unique=True)
    return st.one_of(ranges(), st.fixed_dictionaries({"choices": choices}))


def maybe(draw: st.DrawFn, section: dict[str, Any], key: str, values: st.SearchStrategy[Any]) -> None:
    """Sometimes leave the key out."""
    if draw(st.booleans()):
        section[key] = draw(values)


@st.composite
def model_sections(draw: st.DrawFn) -> dict[str, Any]:
    blocks = draw(st.one_of(st.integers(1, 5), ints(1, 5)))
    each = st.one_of(ints(1, 200)).map(lambda form: {"each": "blocks", **form})
    model: dict[str, Any] = {"builder": "vgg", "blocks": blocks}
    lists = st.lists(st.lists(st.integers(1, 200), min_size=1, max_size=3, unique=True), min_size=6, max_size=6)
    own = lists.map(lambda choices: {"each": "blocks", "choices": choices})
    model["filters"] = draw(st.one_of(each, own, st.just({"fixed": [8, 16, 24, 32, 40, 48]})))
    model["batch_norm"] = draw(st.sampled_from([True, False, [True, False], {"choices": [False, True]}]))
    maybe(draw, model, "l2", floats(0.0, 10.0))
    maybe(draw, model, "dense_units", st.one_of(st.integers(1, 512), ints(1, 512)))
    maybe(draw, model, "kernel_size", ints(1, 11))
    maybe(draw, model, "dense_batch_norm", st.sampled_from([None, [None, True], [True, False, None]]))
    maybe(draw, model, "activation", st.sampled_from(["relu", ["relu", "selu"], {"fixed": "elu"}]))
    if isinstance(model["batch_norm"], list) and isinstance(model.get("kernel_size"), dict):
        maybe(
            draw, model["kernel_size"], "when", st.sampled_from([{"batch_norm": True}, {"blocks": blocks_of(blocks)}])
        )
    model["dropout"] = draw(dropout_sections())
    return model


def blocks_of(blocks: Any) -> int:
    """A valid number of blocks."""
    if isinstance(blocks, int):
        return blocks
    return int(blocks["choices"][-1] if "choices" in blocks else blocks["high"])


@st.composite
def dropout_sections(draw: st.DrawFn) -> dict[str, Any]:
    words = ["none", "constant", "increasing", "listed"]
    schedule = draw(st.lists(st.sampled_from(words), min_size=1, max_size=4, unique=True))
    section: dict[str, Any] = {"schedule": schedule}
    using_start = [word for word in schedule if word in ("constant", "increasing")]
    if using_start:
        maybe(draw, section, "start", floats(0.0, 0.9).map(lambda form: {**form, "when": {"schedule": using_start}}))
    if "increasing" in schedule:
        maybe(draw, section, "end", floats(0.0, 0.9).map(lambda form: {**form, "when": {"schedule": "increasing"}}))
    if "listed" in schedule:
        rates = ints(0, 0).map(lambda _: {"each": "blocks", "low": 0.1, "high": 0.5, "when": {"schedule": "listed"}})
        section["rates"] = draw(st.one_of(rates, st.just({"fixed": [0.1] * 5})))
    return section


@st.composite
def training_sections(draw: st.DrawFn) -> dict[str, Any]:
    training: dict[str, Any] = {"epochs": draw(st.integers(1, 50))}
    optimizers = draw(st.lists(st.sampled_from(["sgd", "adam", "nadam"]), min_size=1, max_size=3, unique=True))
    training["optimizer"] = optimizers
    if "sgd" in optimizers:
        momentum = floats(0.0, 0.9).map(lambda form: {**form, "when": {"optimizer": "sgd"}})
        maybe(draw, training, "momentum", momentum)
    maybe(draw, training, "learning_rate", floats(1e-5, 1.0))
    maybe(draw, training, "batch_size", ints(1, 512))
    plateau = st.fixed_dictionaries({}, optional={"patience": ints(0, 9), "factor": floats(0.1, 0.9)})
    maybe(draw, training, "reduce_lr_on_plateau", st.one_of(st.none(), plateau.map(without_or)))
    return training


def without_or(section: dict[str, Any]) -> dict[str, Any]:
    """0 is not a valid factor, so `or: 0` is left out."""
    return {key: {k: v for k, v in form.items() if k != "or"} for key, form in section.items()}


@st.composite
def space_mappings(draw: st.DrawFn) -> dict[str, Any]:
    mapping: dict[str, Any] = {"model": draw(model_sections()), "training": draw(training_sections())}
    mapping["training"] = without_or_of(mapping["training"], "learning_rate")
    maybe(draw, mapping, "augmentation", st.fixed_dictionaries({}, optional={"strength": floats(0.0, 1.0)}))
    maybe(draw, mapping, "search", st.sampled_from([{"objective": "val_loss"}, {"pruner": {"name": "none"}}]))
    maybe(draw, mapping, "data", st.sampled_from([{"name": "digits"}, {"name": "some folder/of: 'images' # 1"}]))
    maybe(draw, mapping, "study", st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", fullmatch=True))
    return mapping


def without_or_of(section: dict[str, Any], key: str) -> dict[str, Any]:
    return {**section, **without_or({key: section[key]})} if key in section else section


def read(mapping: dict[str, Any]) -> Space:
    """Read the mapping as JSON, which is also YAML."""
    return space_from_text(json.dumps(mapping), "spaces/s.yaml")


def shuffled(value: Any, generator: random.Random) -> Any:
    """Shuffle the keys of every mapping."""
    if isinstance(value, list):
        return [shuffled(item, generator) for item in value]
    if not isinstance(value, dict):
        return value
    keys = list(value)
    generator.shuffle(keys)
    return {key: shuffled(value[key], generator) for key in keys}


def points(space: Space, generator: random.Random) -> list[Any]:
    named = [point for _, point in corners.branches(space)]
    drawn = [corners.draw(space, generator) for _ in range(3)]
    return [corners.smallest(space), corners.largest(space), *named, *drawn]


@spaces_settings
@given(space_mappings(), st.randoms(use_true_random=False))
def test_every_corner_and_draw_is_a_point_that_its_configuration_contains(
    mapping: dict[str, Any], generator: random.Random
) -> None:
    space = read(mapping)
    for point in points(space, generator):
        assert space.faults(point) == []
        config = space.config(point, seed=3)
        assert space.values_of(config) == point
        assert config_from_mapping(json.loads(json.dumps(config_to_mapping(config)))) == config
        model = vgg(config)
        assert len(model.filters) >= model.blocks
        assert model.dropout.schedule != "listed" or len(model.dropout.rates) >= model.blocks


@spaces_settings
@given(space_mappings())
def test_a_space_that_is_written_and_read_again_is_equal(mapping: dict[str, Any]) -> None:
    space = read(mapping)
    again = space_from_text(space_to_yaml(space), "elsewhere/t.yaml")
    assert again == space
    assert differences(space_to_mapping(space), space_to_mapping(again)) == []
    assert space_to_yaml(again) == space_to_yaml(space)


@spaces_settings
@given(space_mappings(), st.randoms(use_true_random=False))
def test_the_order_of_keys_does_not_matter(mapping: dict[str, Any], generator: random.Random) -> None:
    assert read(shuffled(mapping, generator)) == read(mapping)


@spaces_settings
@given(space_mappings())
def test_every_branch_has_the_value_of_its_name(mapping: dict[str, Any]) -> None:
    for name, point in corners.branches(read(mapping)):
        parameter, value = name.split("=")
        assert {"true": "True", "false": "False", "null": "None"}.get(value, value) == str(point[parameter])


PUNCTUATION = [
    "{",
    "}",
    "[",
    "]",
    ":",
    ": ",
    "- ",
    "#",
    "|",
    ">",
    "&a ",
    "*a",
    "!x ",
    '"',
    "'",
    "\t",
    "\n",
    "%",
    "@",
    "? ",
]
VALUES = ["null", "~", ".nan", "1e999", "0x" + "f" * 6000, "9" * 6000, "-1", "0", "true", "1e-4", "2001-01-01", "<<: "]
STRANGE = ["\u2028", "\ufeff", "\x85", "\x00", "\ud800", "\x1b[31m", "---\n", "...\n", "..", "/", ","]
LANGUAGE = [
    "{low: 1, high: 2}",
    "{each: blocks, choices: [1]}",
    ", when: {blocks: 1}",
    ", or: 0",
    ", step: 0.1",
    "fixed",
]
TOKENS = st.sampled_from([*PUNCTUATION, *VALUES, *STRANGE, *LANGUAGE])


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """vgg.yaml with a few parts inserted, removed or moved."""
    text = VGG
    for _ in range(draw(st.integers(1, 4))):
        at, length = draw(st.integers(0, len(text))), draw(st.integers(0, 20))
        there = draw(st.integers(0, len(text)))
        inserted = draw(st.one_of(TOKENS, st.just(""), st.just(text[there : there + length])))
        text = text[:at] + inserted + text[at + draw(st.sampled_from([0, length])) :]
    return text


def faults_of(attempt: Callable[[], Space]) -> tuple[Fault, ...]:
    """Return the faults of a reading; any other exception fails the test."""
    try:
        attempt()
    except SpaceError as error:
        return error.faults or (Fault("no fault at all", 0, 0, ""),)
    return ()


def assert_only_faults(text: str, overrides: Sequence[Override] = ()) -> None:
    """The text is a space, or has faults with a place and a printable message."""
    for fault in faults_of(lambda: space_from_text(text, str(VGG_FILE), overrides)):
        assert fault.line >= 1
        assert fault.column >= 1
        assert fault.message.isprintable()


@fuzz_settings
@given(mutated())
def test_a_damaged_file_raises_only_faults(text: str) -> None:
    assert_only_faults(text)


@fuzz_settings
@given(st.one_of(st.text(), st.text(alphabet="{}[]:,-?&*!|>'\"%@` \n\ta1#."), st.lists(TOKENS).map("".join)))
def test_any_text_raises_only_faults(text: str) -> None:
    assert_only_faults(text)
    assert_only_faults("model: {builder: vgg, l2: " + text + "}\n")
    assert_only_faults(
        "model: {builder: vgg}\n", [Override("training.epochs", text, "--set …"), Override(text, "1", "")]
    )


@fuzz_settings
@given(st.binary())
def test_any_bytes_raise_only_faults(tmp_path_factory: Any, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_bytes(content)
    for fault in faults_of(lambda: read_space(path)):
        assert fault.line >= 1
        assert fault.column >= 1


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["sgd", "blocks"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["low", "high", "step", "log", "choices", "fixed", "each", "when", "or"]), inner
        )
    ),
    max_leaves=8,
)
KEYS = [
    "study",
    "start_from",
    "data.name",
    "data.image_size",
    "model",
    "model.builder",
    "model.blocks",
    "model.filters",
]
KEYS += ["model.dropout", "model.dropout.rates", "model.l2", "training.momentum", "training.early_stopping"]
KEYS += [
    "augmentation",
    "search.sampler",
    "search.direction",
    "search.pruner",
    "training.reduce_lr_on_plateau.patience",
]


@fuzz_settings
@given(st.dictionaries(st.sampled_from(KEYS), JSON, min_size=1, max_size=3))
def test_any_value_of_any_key_raises_only_faults(values: dict[str, Any]) -> None:
    assert_only_faults(SMALL, [Override(key, json.dumps(value), f"--set {key}") for key, value in values.items()])
