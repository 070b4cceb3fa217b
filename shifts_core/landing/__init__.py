"""The landing zone: where trip files are dropped, a folder or a bucket."""
