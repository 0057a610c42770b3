"""Street-scene segmentation, depth and depth-distribution density from a picture or a video."""
