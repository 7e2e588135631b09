"""The watchlist: strategies turn signals into entries, one per strategy and market, and a log holds every change."""
