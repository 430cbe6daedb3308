"""The learning plane's pure core: an epoch of samples goes in, a manifest and new snapshots come out. Imports `models` only."""
