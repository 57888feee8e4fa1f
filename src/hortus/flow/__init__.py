"""The movement of data: from the wire to the store, between brokers, Kafka and boards, and out again."""
