"""Files of stops: the places at which the vehicles of a region may stop."""
