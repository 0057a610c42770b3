"""Decoding of images and videos, and encoding of videos."""
