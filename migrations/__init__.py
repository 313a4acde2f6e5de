"""One Alembic history for both schemas: `public` (the data) and `engine` (the durable engine's state)."""
