"""The stream that pushes changes of the configuration to bots."""
