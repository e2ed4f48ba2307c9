"""From prepared data to a checkpoint: one visible loop, settings, start, resume."""
