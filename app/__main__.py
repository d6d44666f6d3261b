"""`python -m app`: the command `botkeys` of an environment that has the server."""

from botkeys.__main__ import main

if __name__ == "__main__":
    main()
