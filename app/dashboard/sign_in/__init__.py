"""The sign-in: a backend for the frontend, so that the page never holds a token."""
