"""`python -m hasten`: the command line, for launchers that start modules."""

from hasten.cli.main import main

if __name__ == "__main__":
    main()
