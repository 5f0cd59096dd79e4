"""Hypermodels in the style of KerasTuner's guides."""

from __future__ import annotations

from typing import Any

import keras
import keras_tuner
import numpy as np
import tensorflow as tf


def build_layers(hp: Any) -> keras.Model:
    """As in "Getting started": the number of layers and a switch decide what else there is."""
    model = keras.Sequential()
    model.add(keras.layers.Flatten())
    for i in range(hp.Int("layers", 1, 3)):
        model.add(
            keras.layers.Dense(hp.Int(f"units_{i}", 8, 32, step=8), activation=hp.Choice("act", ["relu", "tanh"]))
        )
    if hp.Boolean("dropout"):
        model.add(keras.layers.Dropout(hp.Float("rate", 0.1, 0.5)))
    model.add(keras.layers.Dense(10, activation="softmax"))
    model.compile(
        optimizer=keras.optimizers.Adam(hp.Float("lr", 1e-4, 1e-2, sampling="log", default=1e-3)),
        loss="categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


class Conditional(keras_tuner.HyperModel):
    """As in "Tune hyperparameters in your custom training loop": conditional scopes, name scopes, integer labels."""

    def __init__(self, input_shape: tuple[int, int, int], num_classes: int) -> None:
        super().__init__()
        self.input_shape, self.num_classes = input_shape, num_classes

    def build(self, hp: Any) -> keras.Model:
        """A dense network or a convolutional one."""
        inputs = keras.Input(self.input_shape)
        hidden = keras.layers.Rescaling(1 / 255)(inputs)
        kind = hp.Choice("model_type", ["mlp", "cnn"])
        with hp.conditional_scope("model_type", ["mlp"]), hp.name_scope("mlp"):
            units = hp.Int("units", 8, 32, step=2, sampling="log")
            if kind == "mlp":
                hidden = keras.layers.Dense(units, activation="relu")(keras.layers.Flatten()(hidden))
        with hp.conditional_scope("model_type", ["cnn"]), hp.name_scope("cnn"):
            filters = hp.Choice("filters", [4, 8], ordered=True)
            if kind == "cnn":
                hidden = keras.layers.Conv2D(filters, 3, activation="relu")(hidden)
                hidden = keras.layers.GlobalAveragePooling2D()(hidden)
        hidden = keras.layers.Dropout(hp.Float("rate", 0.01, 0.5, sampling="reverse_log"))(hidden)
        model = keras.Model(inputs, keras.layers.Dense(self.num_classes, activation="softmax")(hidden))
        model.compile("sgd", "sparse_categorical_crossentropy", metrics=["sparse_categorical_accuracy"])
        return model


class TunesFit(keras_tuner.HyperModel):
    """As in "Getting started": the batch size, shuffling and normalization are tuned in `fit`."""

    def build(self, hp: Any) -> keras.Model:
        """A small network."""
        model = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(hp.Int("units", 8, 16), "relu")])
        model.add(keras.layers.Dense(10, activation="softmax"))
        model.compile(optimizer="adam", loss="categorical_crossentropy", metrics=["accuracy"])
        return model

    def fit(self, hp: Any, model: keras.Model, x: Any, y: Any, validation_data: Any = None, **kwargs: Any) -> Any:
        """Train on normalized images, or not."""
        if hp.Boolean("normalize", default=True):
            x, validation_data = x / 255, (validation_data[0] / 255, validation_data[1])
        return model.fit(
            x,
            y,
            validation_data=validation_data,
            batch_size=hp.Choice("batch_size", [16, 32]),
            shuffle=hp.Boolean("shuffle"),
            **kwargs,
        )


class OwnLoop(keras_tuner.HyperModel):
    """As in "Tune hyperparameters in your custom training loop": no compile, no model.fit."""

    def build(self, hp: Any) -> keras.Model:
        """Preprocessing in build: augmentation is tuned with the rest."""
        inputs = keras.Input((8, 8, 1))
        hidden = keras.layers.Rescaling(1 / 255)(inputs)
        if hp.Boolean("flip"):
            hidden = keras.layers.RandomFlip("horizontal")(hidden)
        hidden = keras.layers.Dense(hp.Int("units", 8, 16), activation="relu")(keras.layers.Flatten()(hidden))
        return keras.Model(inputs, keras.layers.Dense(10, activation="softmax")(hidden))

    def fit(self, hp: Any, model: keras.Model, x: Any, y: Any, validation_data: Any, callbacks: Any, **_: Any) -> float:
        """Gradient steps by hand; returns the best validation loss."""
        batches = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(64).batch(hp.Int("batch_size", 16, 64, step=16))
        optimizer = keras.optimizers.Adam(hp.Float("learning_rate", 1e-4, 1e-2, sampling="log", default=1e-3))
        loss_function = keras.losses.CategoricalCrossentropy()

        @tf.function
        def step(images: Any, labels: Any) -> None:
            with tf.GradientTape() as tape:
                loss = loss_function(labels, model(images, training=True))
            gradients = tape.gradient(loss, model.trainable_variables)
            optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))

        best = float("inf")
        for epoch in range(2):
            for images, labels in batches:
                step(images, labels)
            loss = float(loss_function(validation_data[1], model(validation_data[0])))
            for callback in callbacks:
                callback.on_epoch_end(epoch, logs={"val_loss": loss})
            best = min(best, loss)
        return best


def build_unused(hp: Any) -> keras.Model:
    """Has a hyperparameter that is read only where another one has some of its values."""
    depth = hp.Int("depth", 0, 100)
    width = hp.Choice("width", [4, 8]) if depth % 2 == 0 else 4
    return keras.Sequential(
        [keras.layers.Flatten(), keras.layers.Dense(width), keras.layers.Dense(10, activation="softmax")]
    )


def build_nothing(hp: Any) -> keras.Model:
    """`idle` is read and thrown away."""
    hp.Choice("idle", [1, 2])
    return keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(10, activation="softmax")])


ARRAY = np.zeros(3)
instance = TunesFit()


def build_broken(hp: Any) -> keras.Model:
    """Fails."""
    return hp.Int("units", 1, 2) / 0


def build_none(hp: Any) -> None:
    """Forgets to return its model."""
    hp.Int("units", 1, 2)


def build_wide(hp: Any) -> keras.Model:
    """A class too many."""
    return keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(hp.Fixed("classes", 11))])


def build_logits(hp: Any) -> keras.Model:
    """Gives logits."""
    model = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(10)])
    rate = hp.Choice("learning_rate", [0.1])
    model.compile(keras.optimizers.SGD(rate), keras.losses.CategoricalCrossentropy(from_logits=True), ["accuracy"])
    return model


class Deaf(keras_tuner.HyperModel):
    """Its `fit` takes no callbacks."""

    def build(self, hp: Any) -> keras.Model:
        """The smallest model."""
        return build_nothing(hp)

    def fit(self, *_: Any) -> Any:
        """Trains in silence."""
        return None
