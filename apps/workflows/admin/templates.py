"""Ready-made workflows, to begin with one of them."""

from django.template.response import TemplateResponse
from django.urls import reverse
from unfold.decorators import action

from nexora.kernel.admin import RecordAdmin

from ..definition.registry import triggers as known_triggers
from ..gallery import BY_SLUG, TEMPLATES, in_order
from .diagram import icon_of


class FromTemplate:
    """Mixed into the admin of workflows: a button above the list, a page to choose on, a form that is filled in.

    Nothing is stored before the form is.
    """

    actions_list = [*RecordAdmin.actions_list, "from_template"]

    @action(description="New from template", icon="library_add", url_path="templates", permissions=["add"])
    def from_template(self, request):
        context = {"title": "New from template", "cards": self._cards(), "opts": self.opts}
        request.current_app = self.admin_site.name
        return TemplateResponse(
            request, "admin/workflows/templates.html", {**self.admin_site.each_context(request), **context}
        )

    def _cards(self):
        form = reverse(f"{self.admin_site.name}:{self.opts.app_label}_{self.opts.model_name}_add")
        for template in TEMPLATES:
            kind = known_triggers[template.trigger["type"]]
            yield {
                "template": template,
                "link": f"{form}?template={template.slug}",
                "starts": (icon_of(kind.type), kind.title),
                "steps": [(icon_of(step["type"]), step["title"]) for step in in_order(template.actions)],
            }

    def get_changeform_initial_data(self, request):
        initial = super().get_changeform_initial_data(request)
        template = chosen(request)
        if template is not None:
            for name in ("name", "description", "trigger", "actions"):
                initial[name] = getattr(template, name)
        return initial


def chosen(request):
    """The template that a form begins with, or None."""
    return BY_SLUG.get(request.GET.get("template"))
