"""The live view in the terminal: what it shows (`state`), how it looks (`screen`), where it comes from (`sources`)."""
