"""How a delivery leaves the machine."""
