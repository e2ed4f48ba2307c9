"""Protocols: folds, data sets against each other, probes; published tables and their comparison with ours."""
