"""What instruments cost now: best bid and ask, last trade, and the mark that everything is valued at."""
