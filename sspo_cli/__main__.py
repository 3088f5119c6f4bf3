"""`python -m sspo_cli`: the command `sspo`."""

from sspo_cli.cli import main

main()
