"""The only room that speaks SQL to our Postgres: each `name.py` beside its `name.sql`."""
