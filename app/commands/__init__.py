"""What subcommands of the CLI run: the audit check, the key rotation, the progress display."""
