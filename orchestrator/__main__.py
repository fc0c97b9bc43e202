"""The executable: `switchover VERB`."""

from __future__ import annotations

from orchestrator.cli.group import switchover


def main() -> None:
    """Run the verb that the command line names."""
    switchover.main(prog_name="switchover")


if __name__ == "__main__":
    main()
