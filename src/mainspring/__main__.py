"""``python -m mainspring`` is the command line."""

from mainspring.cli.app import main

if __name__ == "__main__":
    main()
