"""Which trips are similar: pure functions on arrays; `find_groups` is the way in."""
