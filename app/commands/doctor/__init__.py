"""`botkeys doctor`: looks at what a process needs, and says what is wrong and how to put it right.

Each check has a module of its own. It changes nothing, ends within seconds, and no finding contains
what a setting holds: sentences are ours, and of an error only its kind is shown.
"""
