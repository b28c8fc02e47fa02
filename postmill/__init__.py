"""Scripts become forms, webhooks, schedules and flows that colleagues can run."""

__version__ = "0.1.0"
