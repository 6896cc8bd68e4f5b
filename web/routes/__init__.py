"""The operations of the contract: each translates a call into a command or a question, and back."""
