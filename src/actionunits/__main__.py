"""`python -m actionunits`: the command line."""

from actionunits.cli import main

main()
