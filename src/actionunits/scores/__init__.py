"""Scores and statistics as pure functions of arrays; they know no data set and no model."""
