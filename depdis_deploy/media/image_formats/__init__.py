"""One module per image format: read the header and bound the cost of decoding before any pixel is decoded."""
