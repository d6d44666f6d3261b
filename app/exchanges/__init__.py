"""What the ten exchanges offer, and how to talk to each. Imports no domain of the service."""
