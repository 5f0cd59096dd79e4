"""Using a trained model: predictions, Grad-CAM, and other formats with their measurements. Imports Keras."""
