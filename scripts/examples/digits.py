"""A sweep from Python: train three small networks on digits, predict with the best one, and train it again.

    python scripts/examples/digits.py [HOME]

HOME is the folder for `studies/`, `mlflow/` and `cache/`; the current folder by default. Takes half a minute.
"""

from __future__ import annotations

import sys
from pathlib import Path

from sklearn.datasets import load_digits

import sweep

study = sweep.run(
    Path(__file__).with_name("digits.yaml"),
    data="digits",
    limit=300,
    trials=3,
    epochs=3,
    settings={"training.batch_size": 16},
    home=sys.argv[1] if len(sys.argv) > 1 else ".",
)

print(study)
print(study.trials.to_dataframe()[["state", "val_accuracy", "blocks", "learning_rate"]])

model = study.best.model()
images = (load_digits().images[:5, :, :, None] * 255 / 16).astype("uint8")
print("predictions for images of 0, 1, 2, 3 and 4:", model.predict(images, verbose=0).argmax(axis=1).tolist())

study.figures.history().write_html(study.folder / "history.html")
print("report:", study.report())

again = sweep.reproduce(study.best, folder=study.folder / "again")
print(again, again.model_file)
