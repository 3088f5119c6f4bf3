"""plots/*.svg of a grid: curves, differences, the landscape of a sweep, the off-policy study."""
