"""One file a data set: what lies in its folder, as recordings with labels."""
