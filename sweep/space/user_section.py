"""The keys of a `model` section that only the user's own code knows: a builder's parameters, hyperparameters."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sweep.space.fields import FieldSpec, fields_of
from sweep.space.pinned_files import SourceError, file_digest, find_module_source
from sweep.space.signatures import (
    NO_DEFAULT,
    UNKNOWN,
    Argument,
    defined_names,
    parse_source,
    read_signature,
)
from sweep.space.user_model_configs import GIVEN, HypermodelConfig, UserBuilderConfig
from sweep.space.wording import did_you_mean, show
from sweep.space.yaml_tree import Entry, Faults, Mapping, Node, Scalar

_REFERENCE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", re.ASCII)


@dataclass(frozen=True)
class UserSection:
    """How to read a section.

    Attributes:
        section: for `fields_of`.
        found: keys that the file does not write itself: where the module is, and its digest.
    """

    section: type[Any]
    found: dict[str, Any] = field(default_factory=dict)


def user_section(model: Mapping, root: Mapping, folder: Path, faults: Faults) -> UserSection | None:
    """The section of a model of the user's own; None if it names a builder of sweep, or none.

    Args:
        model: as written.
        root: the whole file.
        folder: of the space file.
        faults: gets what is wrong with the name or the signature.
    """
    if "hypermodel" in model.entries:
        entry, specs = model.entries["hypermodel"], dict(fields_of(HypermodelConfig))
        if "augmentation" in root.entries:
            faults.add(
                root.entries["augmentation"].mark,
                "`augmentation` has no effect on a hypermodel, which is trained as it is built; remove the section, or "
                "augment inside the hypermodel (keras_tuner.applications.HyperImageAugment)",
            )
    elif ":" in str(_text(model.entries.get("builder"))):
        entry, specs = model.entries["builder"], dict(fields_of(UserBuilderConfig))
    else:
        return None
    free = specs.pop("arguments", None) is not None
    reference = str(_text(entry))
    if not _REFERENCE.fullmatch(reference):
        faults.unreadable(entry.node.mark, f"{show(reference)} is no `module:name`; write `my_models:build`")
        return None
    found = {} if "source_digest" in model.entries else _locate(reference, entry, folder, faults)
    if free:
        specs |= _arguments(model, reference, entry, found, specs, faults)
    else:
        specs["hyperparameters"] = _nested(model.entries.get("hyperparameters"))
    return UserSection(section_of_specs(specs), {key: value for key, value in found.items() if key != "path"})


def section_of_specs(specs: dict[str, FieldSpec]) -> type[Any]:
    """A section with these keys, for `fields_of`."""
    return type("UserSection", (), {"SPECS": specs})


def _text(entry: Entry | None) -> Any:
    return entry.node.value if entry is not None and isinstance(entry.node, Scalar) else None


def _locate(reference: str, entry: Entry, folder: Path, faults: Faults) -> dict[str, Any]:
    """Where the module is; of an installed one no more than that it is there."""
    module, name = reference.split(":")
    try:
        path, local = find_module_source(module, folder.resolve())
        names = defined_names(parse_source(path))
    except SourceError as error:
        faults.unreadable(entry.node.mark, str(error))
        return {}
    if name not in names:
        hint = did_you_mean(name, names) or f"; it has {', '.join(names[:8]) or 'nothing'}"
        faults.unreadable(entry.node.mark, f"{path} defines no `{name}`{hint}")
        return {}
    where = {"folder": str(folder.resolve())} if local else {}
    return {**where, "source_digest": file_digest(path), "path": path}


def _arguments(
    model: Mapping,
    reference: str,
    entry: Entry,
    found: dict[str, Any],
    taken: dict[str, FieldSpec],
    faults: Faults,
) -> dict[str, FieldSpec]:
    """What the function takes; where the source is pinned by a digest, whatever is written."""
    rest = {key: each for key, each in model.entries.items() if key not in taken}
    if "path" not in found:
        return {key: free_spec(key, each.node) for key, each in rest.items()}
    name = reference.split(":")[1]
    try:
        arguments = read_signature(parse_source(found["path"]), name)
    except SourceError as error:
        faults.unreadable(entry.node.mark, f"{found['path']}: {error}")
        return {key: free_spec(key, each.node) for key, each in rest.items()}
    _check_names(arguments, name, entry, taken, faults)
    needed = [item.name for item in arguments if item.default is NO_DEFAULT and item.name not in taken]
    missing = [word for word in needed if word not in model.entries]
    if missing:
        wanted = ", ".join(f"`{word}`" for word in missing)
        faults.add(entry.node.mark, f"`{name}` needs {wanted}: give a value beside `builder`")
    return {item.name: _argument_spec(item, rest.get(item.name)) for item in arguments}


def _check_names(
    arguments: list[Argument], name: str, entry: Entry, taken: dict[str, FieldSpec], faults: Faults
) -> None:
    for argument in arguments:
        if argument.name in taken:
            faults.add(
                entry.node.mark,
                f"the parameter `{argument.name}` of `{name}` has the name of a key of this section; rename it "
                f"({', '.join(taken)} are sweep's, and it gives {', '.join(GIVEN)} by itself)",
            )


def _argument_spec(argument: Argument, entry: Entry | None) -> FieldSpec:
    default = None if argument.default in (NO_DEFAULT, UNKNOWN) else argument.default
    if argument.annotation is None:
        return free_spec(argument.name, entry.node if entry else None, default)
    return make_spec(argument.name, argument.annotation, default)


def make_spec(name: str, annotation: Any, default: Any = None) -> FieldSpec:
    """A searched key with single values."""
    options = getattr(annotation, "__args__", ()) if not isinstance(annotation, type) else ()
    return FieldSpec(
        name=name,
        annotation=annotation,
        nested=None,
        many=False,
        optional=type(None) in options or annotation is type(None),
        searched=True,
        only_when=None,
        default=default,
    )


def free_spec(name: str, node: Node | None, default: Any = None) -> FieldSpec:
    """A key of which nothing is known but what is written: a range says whether its numbers are whole."""
    if not isinstance(node, Mapping) or not {"low", "high"} & node.entries.keys():
        return make_spec(name, bool | int | float | str | None, default)
    ends = [_text(node.entries.get(key)) for key in ("low", "high", "step") if key in node.entries]
    whole = all(isinstance(end, int) and not isinstance(end, bool) for end in ends)
    return make_spec(name, int | None if whole else float | None, default)


def _nested(entry: Entry | None) -> FieldSpec:
    node = entry.node if entry is not None else None
    written = node.entries if isinstance(node, Mapping) else {}
    specs = {name: free_spec(name, each.node) for name, each in written.items()}
    return FieldSpec("hyperparameters", dict, section_of_specs(specs), False, False, False, None, None)
