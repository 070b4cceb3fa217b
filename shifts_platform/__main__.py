"""`python -m shifts_platform`: the command `shifts` where it is not on the path."""

from shifts_platform.cli import main

main()
