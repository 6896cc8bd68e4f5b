"""The rooms of the runtime: the kernel that knows no trading, the vocabulary, and one room for each actor."""
