"""A soak test of the whole platform: random work and random faults by seed, and a checker that knows the truth.

`make soak ARGS="--seed 1 --minutes 30"` runs it; docs/testing.md explains it. It is no part of `make test`.
"""
