"""Settings and logging: read once by the command line, handed down by the tree; nothing else looks here."""

from config.errors import SettingsError
from config.secret import Secret
from config.settings import load
from config.tree import Settings

__all__ = ["Secret", "Settings", "SettingsError", "load"]
