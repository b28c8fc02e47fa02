"""Real processes on a real Postgres, killed at chosen moments; judged by a ledger outside and by an auditor."""
