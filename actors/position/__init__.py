"""What happens to the orders and the position of one symbol: every such event is decided here."""
