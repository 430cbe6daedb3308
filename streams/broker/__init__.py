"""Links to a broker: the protocol, Kafka through confluent-kafka, and an in-memory twin for tests."""
