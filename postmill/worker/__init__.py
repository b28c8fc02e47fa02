"""The loop: claim, run, report, beat. Knows the platform through one Protocol of five calls."""
