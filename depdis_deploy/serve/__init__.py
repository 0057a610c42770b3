"""`depdis-serve`: predictions over HTTP."""
