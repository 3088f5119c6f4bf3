"""What a run folder says, drawn. No torch here."""
