"""Events in the life of a bot, recorded by the service."""
