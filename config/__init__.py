"""Settings and logging: read once by the command line, handed down by the tree; nothing else looks here."""
