"""A trained model in use: reading its file safely, asking it, explaining it, writing it in other formats."""
