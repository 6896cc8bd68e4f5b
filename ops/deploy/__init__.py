"""The image, how it is put together with its surroundings, and how that is tried."""
