"""The instance's own secret: the key of job tokens, kept in the database and made by whoever comes first."""

from secrets import token_bytes

from postmill.auth import job_tokens
from postmill.store import tokens
from postmill.store.db import Database


async def job_token_key(database: Database) -> bytes:
    """The key with which every server and worker of this database makes and reads job tokens."""
    async with database.transaction() as tx:
        return await tokens.make_secret(tx, job_tokens.KEY_NAME, token_bytes(job_tokens.KEY_LENGTH))
