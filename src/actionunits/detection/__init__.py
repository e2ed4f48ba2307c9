"""From an input to its results: the only inference path, and the files of one input."""
