"""Nobody is to notice by silence: whatever stops, within two ticks something is red."""
