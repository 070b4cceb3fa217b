"""The sensors: what starts runs. Each reads a state, decides in a pure function, and requests."""
