"""Renders in the folder layouts of licensed data sets, one file per data set."""
