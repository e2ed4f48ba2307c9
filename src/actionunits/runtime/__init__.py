"""The surroundings of a run: the device, its processes and signals, and the commit of the source."""
