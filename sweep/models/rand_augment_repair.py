"""A repair of KerasTuner's RandAugment, which makes its layers anew at each call.

TensorFlow allows a traced function to make variables only when it is called first, so under Keras 3 a model with
`HyperImageAugment(augment_layers=...)` cannot be trained unless all its factors are 0 (KerasTuner 1.4.8).
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterator

import keras
from keras_tuner.applications import HyperImageAugment

_MODULE = sys.modules[HyperImageAugment.__module__]


def keep_transforms(model: keras.Model) -> None:
    """Make the layers of each RandAugment in a model now, and have its calls find them again."""
    for name, make in _MODULE.TRANSFORMS.items():
        if not hasattr(make, "cache_info"):
            _MODULE.TRANSFORMS[name] = functools.cache(make)
    for layer in _layers(model):
        if isinstance(layer, _MODULE.RandAugment):
            for name, factor in zip(layer.layers, layer.factors, strict=True):
                if factor != 0:
                    _MODULE.TRANSFORMS[name](factor)


def _layers(model: keras.Model) -> Iterator[keras.Layer]:
    for layer in model.layers:
        yield layer
        if isinstance(layer, keras.Model):
            yield from _layers(layer)
