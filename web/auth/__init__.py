"""Who may ask for what: tokens, scopes, and how often a token may ask."""
