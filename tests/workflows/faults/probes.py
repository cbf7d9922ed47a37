"""Actions that only the workers of these tests know. What they wait for, and what they leave behind, are files."""

import time
from datetime import timedelta

from apps.workflows.definition.registry import Action, StepFailed, Wait, register
from nexora.kernel import clock

from . import HOME

MOST_SECONDS = 20


def wait_for(path):
    deadline = time.monotonic() + MOST_SECONDS
    while not path.exists():
        if time.monotonic() > deadline:
            raise StepFailed(f"Nobody made {path.name}.")
        time.sleep(0.01)


class Probe(Action):
    properties = {"name": {"type": "string"}}

    @classmethod
    def perform(cls, step, given):
        """Say that it has begun, and wait until `<name>.go` is there."""
        (HOME / f"{given['name']}.begun").touch()
        wait_for(HOME / f"{given['name']}.go")
        return {"name": given["name"]}


@register
class Hold(Probe):
    """A step of the database that takes as long as the test wants."""

    type = "probe.hold"


@register
class Call(Probe):
    """A call to the outside that takes as long as the test wants; each is a line of `<name>.calls`."""

    type = "probe.call"
    is_outside = True

    @classmethod
    def perform(cls, step, given):
        with open(HOME / f"{given['name']}.calls", "a") as calls:
            calls.write(f"{step.run.pk} {step.idempotency_key}\n")
        return super().perform(step, given)


@register
class Fail(Action):
    type = "probe.fail"

    @classmethod
    def perform(cls, step, given):
        raise StepFailed(given.get("text", "It fails always."))


@register
class FailOutside(Fail):
    type = "probe.fail_outside"
    is_outside = True


@register
class CallAndWait(Call):
    """An outside call that then lets its run wait, as an action of another section might."""

    type = "probe.call_and_wait"

    @classmethod
    def perform(cls, step, given):
        super().perform(step, given)
        return Wait(clock.now() + timedelta(days=1))
