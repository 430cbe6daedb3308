"""`make limits`: workers on real Kafka, each pushed to where something might give way, and what must hold there."""
