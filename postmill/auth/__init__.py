"""Who you are, and whether you may."""
