"""A trained model in use: predictions, Grad-CAM, other formats and how they compare. Imports Keras."""
