"""HTTP server for predictions (`depdis-serve`)."""
