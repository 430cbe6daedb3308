"""Whole workers on the in-memory cluster, ten thousand schedules at a time."""
