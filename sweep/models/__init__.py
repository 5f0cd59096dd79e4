"""From a configuration to a keras.Model: builders in a plain dict, and KerasTuner hypermodels."""
