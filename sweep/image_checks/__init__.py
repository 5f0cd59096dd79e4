"""What is wrong with a set of images: unreadable files, doubles, leaks between the parts, doubtful classes."""
