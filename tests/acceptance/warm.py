"""For the fork server: what an app imports or builds at its first start has been before workers are forked."""

from __future__ import annotations

import db.migrate
import engine.api
from app.server import create_app
from app.settings import Settings

__all__ = ["db", "engine"]

create_app(Settings(_env_file=None, app_env="test"))
