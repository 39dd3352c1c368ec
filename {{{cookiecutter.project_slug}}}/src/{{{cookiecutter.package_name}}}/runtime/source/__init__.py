"""The source of the data: read, checked against the schemas, and kept as versions."""
