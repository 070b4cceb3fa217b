"""The landing zone as the service may use it: naming files below it, and bringing one there."""
