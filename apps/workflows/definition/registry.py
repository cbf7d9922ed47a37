"""What a workflow can start on and what it can do: one registered class each.

    @register
    class StageEntered(Trigger):
        type = "deal.stage_entered"
        title = "A deal enters a stage"
        properties = {"resource": {"const": "deals"}, "stage": {"enum": […]}}
        required = ("resource", "stage")

        @classmethod
        def matches(cls, change, spec): …

Any section registers its own when its app is ready; the engine knows none by name.
"""

triggers, actions = {}, {}


class StepFailed(Exception):
    """A step could not do its work; the message says what happened and what to do, for whoever reads the run."""


class Kind:
    """
    type          the word in a definition
    title         what it is, for people
    description   one sentence more
    properties    JSON Schema of its own members ({name: schema}); of an action, of what stands in `with`
    required      names of those that must be there
    example       one that is right, as it stands in a definition
    """

    type = None
    title = None
    description = ""
    properties = {}
    required = ()
    example = {}

    @classmethod
    def problems(cls, given, check):
        """[(pointer, sentence)] of what the schema cannot say. `check` is a definition.check.Check."""
        return ()


class Trigger(Kind):
    """
    listens       whether it starts on changes of records; then `resource` is one of its members
    has_record    whether a run is about a record
    actions       which changes it looks at, where it listens
    is_timed      a clock starts it; then `tick(workflow, now)` answers an engine.starting.Tick
    gives         names of what `trigger` has in conditions and values, beside type and at
    """

    listens = False
    is_timed = False
    has_record = True
    actions = ()
    gives = ()

    @classmethod
    def matches(cls, change, spec):
        """Whether a kernel RecordChange is what this trigger waits for; its `when` is asked afterwards."""
        return False


class Action(Kind):
    """
    right       the action of nexora.policy that the owner needs on `resource` of the step's `with`; None: none, or it
                looks itself
    is_outside  it talks to the outside world: performed outside any transaction, at least once, always under the same
                key; any other is performed inside the transaction that notes it as done, exactly once
    locks       whether it keeps others from records, or may take long; two such steps share no transaction, so that
                nobody waits for the first until the second is done
    seconds     that its call to the outside may take; then it is taken for lost, and made again
    blocks      names of members of `with` that hold actions
    retry       what happens where a step does not say
    """

    right = None
    is_outside = False
    locks = True
    seconds = 60
    blocks = ()
    retry = {"max": 0, "delay": 10, "backoff": 2}

    @classmethod
    def item(cls, given):
        """Name of the resource of which its blocks see one record as `item`; None: they see no other than before."""
        return

    @classmethod
    def prepare(cls, step):
        """What is given to `perform` and shown as the step's input: its `with`, with the values filled in."""
        return step.render({name: value for name, value in step.given.items() if name not in cls.blocks})

    @classmethod
    def perform(cls, step, given):
        """Do it; answers the step's output (JSON), or one of the engine's directives. StepFailed where it cannot be."""
        raise NotImplementedError

    @classmethod
    def preview(cls, step, given):
        """What an outside action would do, for a test run: a JSON object. Nothing is sent."""
        return given


# -- What an action that steers the run answers


class Directive:
    """`output` is what the step gives to later ones."""

    def __init__(self, output=None):
        self.output = output


class Wait(Directive):
    def __init__(self, until, output=None):
        super().__init__(output)
        self.until = until


class Enter(Directive):
    """Do the actions in `block` of this step's `with`, next; `rounds` times, where it is given."""

    def __init__(self, block, output=None, *, rounds=None):
        super().__init__(output)
        self.block = block
        self.rounds = rounds


class Stop(Directive):
    """The run ends here: completed, or failed for `reason`."""

    def __init__(self, output=None, *, reason=None):
        super().__init__(output)
        self.reason = reason


def register(kind):
    known = triggers if issubclass(kind, Trigger) else actions
    if known.setdefault(kind.type, kind) is not kind:
        raise ValueError(f"{kind.type} is registered already, by {known[kind.type].__module__}.")
    return kind
