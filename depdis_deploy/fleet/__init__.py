"""Pictures over a cluster, by Ray Data."""
