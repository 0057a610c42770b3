"""An evaluation as a page that one opens and looks at, as Markdown, and as JSON: all of the same data."""
