"""What people do with a workflow beside editing it: run it, try it out, take it over."""

import json

from django.contrib import messages
from django.http import HttpResponseRedirect
from unfold.decorators import action

from nexora.kernel.admin.links import change_url, list_url

from ..models import WorkflowExecution
from ..services import control, secrets
from . import words
from .buttons import REFUSALS, Buttons
from .diagram import diagram, outcomes_of
from .record_choice import ChoosingForm, SearchForm, TrialForm, likely_changes, offered, resource_of
from .timeline import END_TONES, rehearsed


class Running(Buttons):
    """Mixed into the admin of workflows."""

    # -- Run

    @action(description="Run", icon="play_arrow", url_path="run", permissions=["run"])
    def run(self, request, object_id):
        workflow = self.record(request, object_id)
        about = resource_of(workflow)
        if about is None:
            sentence = "It is about no record and runs once, now, with the rights of its owner."
            return self.asked(
                request,
                object_id,
                title=f"Run {workflow}",
                label="Run now",
                sentences=[sentence],
                do=lambda workflow: self._begin(request, workflow, []),
            )
        form = ChoosingForm(request.POST if request.method == "POST" else None)
        if form.is_valid():
            try:
                where, said = self._begin(request, workflow, [form.cleaned_data["record"]])
            except REFUSALS as error:
                form.add_error(None, self.refused(error))
            else:
                self.message_user(request, said, messages.SUCCESS)
                return HttpResponseRedirect(where)
        noun = about.model._meta.verbose_name
        context = {
            "title": f"Run {workflow}",
            "sentence": f"It runs once, now, on the {noun} that you choose, with the rights of its owner.",
        }
        return self.page(
            request, "admin/workflows/run.html", workflow, context | self._choices(request, workflow, form)
        )

    @staticmethod
    def _begin(request, workflow, ids):
        runs, _ = control.run_workflow(actor=request.user, workflow=workflow, ids=ids)
        if not runs:
            raise control.CannotRun("Its own condition leaves this out, so nothing was started. A test run says why.")
        return change_url(runs[0]), "It has started. Look again in a moment for what became of it."

    def _choices(self, request, workflow, form):
        chosen = form.data.get("record") if form.is_bound else request.GET.get("record")
        search = SearchForm(request.GET)
        term = search.cleaned_data["q"] if search.is_valid() else ""
        placeholder, choices = offered(request, self.admin_site, workflow, term=term.replace("\x00", ""), chosen=chosen)
        search.fields["q"].widget.attrs["placeholder"] = f"{placeholder}, or its id"
        noun = resource_of(workflow).model._meta
        return {
            "form": form,
            "search": search,
            "term": term,
            "choices": choices,
            "noun": noun.verbose_name,
            "nouns": noun.verbose_name_plural,
        }

    # -- Test run

    @action(description="Test run", icon="science", url_path="test", permissions=["try_out"])
    def try_out(self, request, object_id):
        workflow = self.record(request, object_id)
        about, result = resource_of(workflow), None
        form = TrialForm(
            request.POST if request.method == "POST" else None,
            about=about,
            initial={"changes": likely_changes(workflow.trigger)},
        )
        if form.is_valid():
            try:
                result = control.test_workflow(
                    actor=request.user,
                    workflow=workflow,
                    record_id=form.cleaned_data.get("record"),
                    changes=form.cleaned_data.get("changes"),
                )
            except REFUSALS as error:
                form.add_error(None, self.refused(error))
        context = {"title": f"Test {workflow}", "form": form, "media": form.media, "about": about}
        if about is not None:
            context |= self._choices(request, workflow, form)
        if result is not None:
            context |= _shown(workflow, result)
        return self.page(request, "admin/workflows/test.html", workflow, context)

    # -- Take over

    @action(description="Take over", icon="front_hand", url_path="take-over", permissions=["take_over"])
    def take_over(self, request, object_id):
        workflow = self.record(request, object_id)
        owner = workflow.created_by or "nobody"
        sentences = [
            f"It runs with the rights of {owner} now, and with yours from then on: what you may do, it may do.",
            "Runs that have begun go on with yours as well.",
        ]
        if not workflow.enabled:
            sentences.append("It is switched off and stays so until you switch it on.")

        def do(workflow):
            control.take_over(actor=request.user, workflow=workflow)
            return change_url(workflow), f"{workflow} is yours now and runs with your rights."

        return self.asked(
            request, object_id, title=f"Take over {workflow}", label="Take over", sentences=sentences, do=do
        )

    # -- Secrets

    @action(description="Secrets", icon="key", url_path="secrets", permissions=["see_secrets"])
    def secrets(self, request, object_id):
        workflow = self.record(request, object_id)
        if request.method == "POST":
            secrets.renew_secrets(actor=request.user, workflow=workflow)
            said = "These are the new secrets. What is signed with the former ones is refused from now on."
            self.message_user(request, said, messages.SUCCESS)
            return HttpResponseRedirect(request.path)
        context = {"title": f"Secrets of {workflow}", "is_hooked": workflow.starts_on == "webhook"}
        context |= secrets.secrets_of(actor=request.user, workflow=workflow)
        page = self.page(request, "admin/workflows/secrets.html", workflow, context)
        page["Cache-Control"] = "no-store"
        return page

    # -- Who may

    def has_run_permission(self, request, object_id=None):
        workflow = self.found(request, object_id)
        return bool(workflow) and self.may_control(request, workflow)

    has_try_out_permission = has_run_permission

    def has_see_secrets_permission(self, request, object_id=None):
        workflow = self.found(request, object_id)
        return self.has_run_permission(request, object_id) and (
            workflow.starts_on == "webhook" or '"http.request"' in json.dumps(workflow.actions)
        )

    def has_take_over_permission(self, request, object_id=None):
        workflow = self.found(request, object_id)
        # Whoever is at work in another tenant has no rights there that a workflow could use.
        is_local = bool(workflow) and workflow.tenant_id == request.user.tenant_id
        return is_local and workflow.created_by_id != request.user.pk and self.may_control(request, workflow)


def runs_url(workflow, **filters):
    return list_url(WorkflowExecution, workflow__id__exact=workflow.pk, **filters)


def _shown(workflow, result):
    """What the page of a test run shows of control.test_workflow's answer."""
    status = WorkflowExecution.Status(result["status"])
    drawn = diagram(
        workflow.trigger,
        workflow.actions,
        outcomes=outcomes_of((step["path"], step["status"]) for step in result["steps"]),
        end=status.label,
        end_tone=END_TONES[status],
    )
    return {
        "result": result,
        "leaves": [
            {
                "asked": words.comparison({name: leaf.get(name) for name in ("path", "op", "value")}),
                "found": words.value(leaf.get("found")),
                "holds": leaf.get("holds"),
            }
            for leaf in result["conditions"]
        ],
        "steps": rehearsed(result["steps"], drawn.titles),
        "end": status.label,
        "end_tone": END_TONES[status],
        "diagram": drawn,
    }
