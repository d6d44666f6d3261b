"""Sessions of people who signed in to the dashboard: begun, used, listed and ended."""
