"""Other programs that keep exchange keys or secrets, measured beside Botkeys in one run.

They are installed apart, each in an environment of its own; one that cannot be installed or does
not start is reported as skipped, with the reason.
"""
