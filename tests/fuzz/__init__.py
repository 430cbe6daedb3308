"""Broken input by the million: nothing crashes, hangs, or is taken that means nothing."""
