"""What the CLI's subcommands run, apart from serving."""
