"""Pictures drawn with matplotlib: learning curves, grids of images, confusion matrices."""
