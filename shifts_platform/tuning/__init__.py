"""Choice of clustering parameters: sweeps over them, and plots of the outcomes."""
