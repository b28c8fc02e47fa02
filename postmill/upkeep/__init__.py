"""What every server does beside answering: one loop a file, SKIP LOCKED, no leader."""
