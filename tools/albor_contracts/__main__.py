import sys

try:
    from .cli import main

    if __name__ == "__main__":
        sys.exit(main())
except KeyboardInterrupt:  # before there was anything to end in order
    print("interrupted", file=sys.stderr)
    sys.exit(2)
