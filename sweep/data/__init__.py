"""Images: sources, the cache of decoded images, splits, the sealed test set. Only `keras_datasets` imports Keras."""
