from sspo_cli.cli import main

main()
