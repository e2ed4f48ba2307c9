"""Prepared data: registered crops with their labels, written once and read by every training."""
