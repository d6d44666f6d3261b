"""One package per subject, each with a router, a service and a repository."""
