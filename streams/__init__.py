"""Everything of Shoal that touches the outside: topics, workers, HTTP, metrics, the command line. May import `models`."""
