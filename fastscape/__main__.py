"""`python -m fastscape`: the command `fastscape`."""

from fastscape.cli import main

main()
