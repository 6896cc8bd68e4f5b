"""The one error of the settings: a line that names the setting, what was found and what is allowed."""

PREFIX = "TRADEWARDEN_"


class SettingsError(Exception):
    """A setting is unknown or bad, and the start stops.

    ``setting`` is its full name; ``found`` is what stands there (hidden for a secret); ``allowed`` is what
    may stand there. The message is one line.
    """

    code = "BAD_SETTING"

    def __init__(self, setting: str, *, found: str, allowed: str) -> None:
        super().__init__(f"{setting}: found {found}; allowed: {allowed}".replace("\n", " "))
        self.setting = setting
        self.found = found
        self.allowed = allowed
