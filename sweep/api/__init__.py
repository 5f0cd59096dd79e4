"""What `import sweep` offers: running, inspecting and reproducing, with pictures and tables for notebooks."""
