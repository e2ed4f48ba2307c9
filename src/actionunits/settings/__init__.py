"""Types of settings with their ranges, and values of files and options held against them."""
