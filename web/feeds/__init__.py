"""Live feeds over WebSocket: a snapshot, then every change by its sequence number."""
