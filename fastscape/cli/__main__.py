"""`python -m fastscape.cli`: the command `fastscape`."""

from fastscape.cli import main

main()
