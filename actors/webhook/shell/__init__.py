"""What waits: the outbox behind the journal and the couriers in front of the endpoints."""
