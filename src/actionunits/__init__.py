"""Facial action units, with intensities, from photos, videos and webcams."""

__version__ = "0.1.0"
