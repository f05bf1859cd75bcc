"""Records of runs, their store and the frame made of them, aggregation, statistics, and published numbers."""
