"""The embedded durable engine: speaks the Inngest protocol to SDKs, keeps its state in PostgreSQL."""

from engine.config import EngineConfig
from engine.engine import Engine
from engine.functions import RefusedError
from engine.intake import BadEventError
from engine.registration import RegistrationResult

__all__ = ["BadEventError", "Engine", "EngineConfig", "RefusedError", "RegistrationResult"]
