"""The topology with Apache Kafka between broker and database: shields kits from a slow or absent database."""
