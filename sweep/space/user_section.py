"""Reading the `model` section of a user's model: parameters of a builder, or hyperparameters of a hypermodel."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args

from sweep.space.fields import FieldSpec, fields_of
from sweep.space.model_sections import GIVEN, REFERENCE, HypermodelConfig, UserBuilderConfig
from sweep.space.pinned_files import SourceError, file_digest, find_module_source
from sweep.space.signatures import NO_DEFAULT, UNKNOWN, Argument, defined_names, parse_source, read_signature
from sweep.space.wording import did_you_mean, show
from sweep.space.yaml_tree import Entry, Faults, Mapping, Node, Scalar

_ANY: Any = bool | int | float | str | None
"""The type of a key for which no type is known."""


def user_section(
    model: Mapping, root: Mapping, folder: Path, faults: Faults
) -> tuple[type[Any], dict[str, str]] | None:
    """Return the section of a user's model for `fields_of`, and the module's folder and digest if they are not set.

    Args:
        model: the section as written.
        root: the whole file.
        folder: folder of the space file.
        faults: receives the errors in the name or the signature.

    Returns:
        None if the section names no user's model.
    """
    is_hypermodel = "hypermodel" in model.entries
    entry = model.entries.get("hypermodel" if is_hypermodel else "builder")
    reference = str(_value(entry))
    if entry is None or not (is_hypermodel or ":" in reference):
        return None
    path: Path | None = None
    found: dict[str, str] = {}
    if not re.fullmatch(REFERENCE, reference):
        faults.unreadable(entry.node.mark, f"{show(reference)} is not a `module:name`; write it like `my_models:build`")
    elif "source_digest" not in model.entries:
        path, found = _locate(reference, entry, folder, faults)
    if is_hypermodel:
        specs = dict(fields_of(HypermodelConfig))
        specs["hyperparameters"] = _hyperparameters(model.entries.get("hyperparameters"))
        if "augmentation" in root.entries:
            faults.add(
                root.entries["augmentation"].mark,
                "`augmentation` has no effect, because sweep does not change a hypermodel's model; remove the section, "
                "or augment inside the hypermodel (keras_tuner.applications.HyperImageAugment)",
            )
    else:
        specs = {name: spec for name, spec in fields_of(UserBuilderConfig).items() if name != "arguments"}
        specs |= _arguments(model, reference, entry, path, specs, faults)
    return _section_with(specs), found


def _section_with(specs: dict[str, FieldSpec]) -> type[Any]:
    """Return a section with these keys, for `fields_of`."""
    return type("UserSection", (), {"SPECS": specs})


def _value(entry: Entry | None) -> Any:
    return entry.node.value if entry is not None and isinstance(entry.node, Scalar) else None


def _locate(reference: str, entry: Entry, folder: Path, faults: Faults) -> tuple[Path | None, dict[str, str]]:
    """Return the module's file, and its folder (unless it is installed) and digest."""
    module, name = reference.split(":")
    try:
        path, local = find_module_source(module, folder.resolve())
        names = defined_names(parse_source(path))
    except SourceError as error:
        faults.unreadable(entry.node.mark, str(error))
        return None, {}
    if name not in names:
        hint = did_you_mean(name, names) or f"; it has {', '.join(names[:8]) or 'nothing'}"
        faults.unreadable(entry.node.mark, f"{path} defines no `{name}`{hint}")
        return None, {}
    return path, {**({"folder": str(folder.resolve())} if local else {}), "source_digest": file_digest(path)}


def _arguments(
    model: Mapping,
    reference: str,
    entry: Entry,
    path: Path | None,
    taken: dict[str, FieldSpec],
    faults: Faults,
) -> dict[str, FieldSpec]:
    """Return the parameters of the function; if its file was not found, the keys that the section has."""
    written = {key: each.node for key, each in model.entries.items() if key not in taken}
    name = reference.split(":")[-1]
    if path is not None:
        try:
            arguments = read_signature(parse_source(path), name)
        except SourceError as error:
            faults.unreadable(entry.node.mark, f"{path}: {error}")
        else:
            _check_arguments(arguments, name, entry, model, taken, faults)
            return {
                item.name: _spec(
                    item.name,
                    written.get(item.name),
                    item.annotation or _ANY,
                    None if item.default in (NO_DEFAULT, UNKNOWN) else item.default,
                )
                for item in arguments
            }
    return {key: _spec(key, node) for key, node in written.items()}


def _check_arguments(
    arguments: list[Argument], name: str, entry: Entry, model: Mapping, taken: dict[str, FieldSpec], faults: Faults
) -> None:
    for argument in arguments:
        if argument.name in taken:
            faults.add(
                entry.node.mark,
                f"the parameter `{argument.name}` of `{name}` has the name of a key of this section; rename it "
                f"(sweep uses {', '.join(taken)}, and passes {', '.join(GIVEN)} itself)",
            )
    missing = [
        f"`{item.name}`"
        for item in arguments
        if item.default is NO_DEFAULT and item.name not in {*taken, *model.entries}
    ]
    if missing:
        faults.add(entry.node.mark, f"`{name}` needs {', '.join(missing)}: add a value to the section `model`")


def _spec(name: str, node: Node | None, annotation: Any = _ANY, default: Any = None) -> FieldSpec:
    """Return the spec of a key. If the key takes integers and floats, a range of whole numbers makes it an integer."""
    both = {int, float} <= set(get_args(annotation))
    if both and isinstance(node, Mapping) and {"low", "high"} & node.entries.keys():
        ends = [_value(node.entries[key]) for key in ("low", "high", "step") if key in node.entries]
        whole = all(isinstance(end, int) and not isinstance(end, bool) for end in ends)
        annotation = int | None if whole else float | None
    return FieldSpec(name, annotation, default=default)


def _hyperparameters(entry: Entry | None) -> FieldSpec:
    written = entry.node.entries if entry is not None and isinstance(entry.node, Mapping) else {}
    specs = {name: _spec(name, each.node) for name, each in written.items()}
    return FieldSpec("hyperparameters", dict, nested=_section_with(specs), searched=False)
