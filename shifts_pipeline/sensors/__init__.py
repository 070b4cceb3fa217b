"""The sensors, which request runs: each reads a state, decides in a pure function, and requests runs."""
