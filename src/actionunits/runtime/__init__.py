"""What a run stands on: the device, its processes and signals, and the commit of the source."""
