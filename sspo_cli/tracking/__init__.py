"""What the user sees of a run, and where its metrics are mirrored."""
