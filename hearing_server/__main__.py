"""Entry point of the `hearing` command."""

from hearing_server.cli.root import app


def main() -> None:
    app()


if __name__ == "__main__":
    main()
