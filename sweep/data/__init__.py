"""Images: sources, the decoded cache, the stratified split, the sealed test part. No Keras but in `keras_datasets`."""
