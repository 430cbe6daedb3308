"""The shell round the pure learner: reads `samples`, publishes to `models`. Imports `models.learning`, broker, contracts."""
