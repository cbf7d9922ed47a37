"""What happened to one record, whoever did it and through whichever door.

The kernel knows no audit trail, so an app that keeps one registers it:

    @source
    def trail(user, record):
        return …    # rows with .created_at, .actor_label, .action and .changes, newest first; None: not for this person
"""

_sources = []


def source(function):
    """Register where histories come from."""
    _sources.append(function)
    return function


def history_of(user, record):
    """The queryset of what happened to `record`; None for somebody who may not see it."""
    for find in _sources:
        found = find(user, record)
        if found is not None:
            return found
    return None


def is_open_to(user):
    """Whether the person sees histories at all; the pages then link to them."""
    return history_of(user, None) is not None
