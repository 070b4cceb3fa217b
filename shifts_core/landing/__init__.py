"""The landing zone where trip files are dropped: one interface, for a folder and for a bucket."""
