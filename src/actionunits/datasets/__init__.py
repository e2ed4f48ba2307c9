"""Data of others and of ours: read from their folders, prepared as crops, sampled for training."""
