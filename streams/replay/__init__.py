"""Replays recorded events into the input topics, with the ticks of their time. May import contracts and settings."""
