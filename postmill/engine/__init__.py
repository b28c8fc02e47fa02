"""The shell round the pure rooms: how a job starts, what a worker is given, the one way any job ends."""
