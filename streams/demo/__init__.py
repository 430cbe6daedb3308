"""`shoal demo`: the whole of Shoal on one machine, on real customers, to look at or to measure."""
