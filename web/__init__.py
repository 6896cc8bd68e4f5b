"""The web edge: REST and WebSocket translated into commands and back. It holds no business rule."""
