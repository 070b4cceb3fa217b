"""`python -m bench [NAME [OPTIONS]]`: one comparison, or all of them, each as a Markdown table."""

import argparse
import importlib
import sys
from importlib.util import find_spec

NAMES = (
    "load",
    "load_readers",
    "cluster",
    "stats",
    "stats_pairs",
    "landing",
    "api",
    "access",
    "cells",
    "crowd",
    "listeners",
    "pairs",
    "tiny_files",
    "pipeline",
    "page",
)


def main(words: list[str]) -> None:
    """Runs the comparison named by the first word with the remaining options; all comparisons without a word."""
    found = [name for name in NAMES if find_spec(f"bench.{name}") is not None]
    if not words:
        for name in found:
            _run(name, [])
        return
    if words[0] not in found:
        sys.exit(f"usage: python -m bench [{' | '.join(found)}] [OPTIONS]")
    _run(words[0], words[1:])


def _run(name: str, options: list[str]) -> None:
    module = importlib.import_module(f"bench.{name}")
    parser = argparse.ArgumentParser(f"python -m bench {name}", description=module.__doc__)
    module.add_arguments(parser)
    module.run(parser.parse_args(options))


if __name__ == "__main__":
    main(sys.argv[1:])
