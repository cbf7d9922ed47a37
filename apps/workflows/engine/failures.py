"""A step has failed: what is said of it, and where the run goes."""

import logging
from datetime import timedelta

from django.core.exceptions import ValidationError as DjangoValidationError
from django.db import IntegrityError
from rest_framework.exceptions import ValidationError

from nexora.kernel import clock
from nexora.kernel.api.constraints import refused_by_database
from nexora.kernel.api.exceptions import flatten
from nexora.kernel.errors import NexoraError

from ..definition.registry import Action, StepFailed
from ..definition.values import BadValue, TooLarge, Unresolved
from . import positions, turns
from .checkpoints import Done, State, Status, end, keep_output, move_on, record_failure

log = logging.getLogger("nexora.workflows")

LONGEST_DELAY = 7 * 86_400


def sentence_of(error, step):
    """What went wrong, for whoever reads the run; it can be stored whatever a server has answered."""
    return _said(error, step)[:2_000].replace("\0", "�").encode(errors="replace").decode()


def _said(error, step):
    match error:
        case StepFailed() | Unresolved() | BadValue() | TooLarge():
            return str(error)
        case NexoraError():
            return _listed(error.fields) or error.detail
        case ValidationError():
            return _listed(flatten(error.detail))
        case DjangoValidationError():
            return " ".join(error.messages)
        case IntegrityError():
            return _said(refused_by_database(error), step)
    log.exception("The step %s of run %s failed unexpectedly.", step.key, step.run.pk, exc_info=error)
    return unforeseen(error)


def unforeseen(error):
    return f"Something unforeseen went wrong ({type(error).__name__}). It is in the log of the worker."


def _listed(fields):
    return "; ".join(f"{name}: {' '.join(map(str, sentences))}" for name, sentences in fields.items())


def decide(step, sentence):
    """Try again later, go where `on_error` says, or end the run. Its row is locked, and stands at this step."""
    run = step.run
    # Without a word of the definition, a call is tried again that was made; what could not even be sent is not.
    default = step.kind.retry if step.prepared is not None else Action.retry
    retry = {**default, **step.action.get("retry", {})}
    if run.cancel_requested_at is not None:
        record_failure(step, Done.FAILED, sentence)
        end(run, Status.CANCELLED)
    elif run.attempt <= retry["max"]:
        _try_again_later(step, sentence, retry)
    else:
        record_failure(step, Done.FAILED, sentence)
        give_up(step, sentence)


def give_up(step, sentence):
    on_error = step.action.get("on_error", "fail")
    if on_error == "fail":
        end(step.run, Status.FAILED, f"{step.key}: {sentence}")
        return
    keep_output(step, {"error": sentence})
    move_on(step, (positions.ON_ERROR, None) if isinstance(on_error, dict) else None)


def _try_again_later(step, sentence, retry):
    run = step.run
    record_failure(step, Done.RETRYING, sentence)
    seconds = min(retry["delay"] * retry["backoff"] ** (run.attempt - 1), LONGEST_DELAY)
    run.attempt += 1
    run.state = State.RETRYING
    run.resume_at = clock.now() + timedelta(seconds=seconds)
    run.save()
    turns.sleep(run)
