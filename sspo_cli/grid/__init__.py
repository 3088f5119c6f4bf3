"""A grid of train runs: which cells, in which folders, what is left of them to do, and who does it."""
