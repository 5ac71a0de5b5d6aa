"""What production says, read from Kafka by day, each record once; and what people said of it."""
