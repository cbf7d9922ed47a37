from . import people, sessions, trail

__all__ = ["people", "sessions", "trail"]
