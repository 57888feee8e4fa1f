"""The topology with Apache Kafka between broker and database: a slow or absent database never touches kits."""
