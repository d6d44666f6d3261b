"""What an account has and how it stands, at a glance: the totals of the dashboard."""
