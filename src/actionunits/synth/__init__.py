"""A face model and action units → labelled clips of people who do not exist."""
