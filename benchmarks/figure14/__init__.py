"""Figure 14 of the paper for real: changing links, replayed; see `__main__`."""
