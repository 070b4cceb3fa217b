"""A soak test of the whole platform: random work and faults from a seed, and checks against a model of the truth.

`make soak ARGS="--seed 1 --minutes 30"` runs it; docs/testing.md explains it. `make test` does not run it.
"""
