"""The command line `shoal`. Commands import what they need when they run, so that `shoal --help` answers at once."""
