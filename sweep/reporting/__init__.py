"""Reports: documents, Plotly charts, and pages as HTML, Markdown and CSV."""
