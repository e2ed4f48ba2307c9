"""A page in the browser and an HTTP API on one's own machine: both call detection/ and reports/."""
