from . import keys, people, sessions, trail

__all__ = ["keys", "people", "sessions", "trail"]
