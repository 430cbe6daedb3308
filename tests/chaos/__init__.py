"""Programs that disturb a running Shoal on purpose and compare: kill -9, scaling, batch sizes, malformed input."""
