"""What `import sweep` offers: running, looking, reproducing, with pictures and tables for notebooks."""
