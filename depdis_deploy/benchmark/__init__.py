"""depdis-benchmark: how fast and how true a model is in each engine and precision of this machine."""
