"""Find what is wrong with a set of images: unreadable files, duplicates, leaks between the parts, doubtful classes."""
