"""What an admin does about a person beside editing them: look at their sessions, sign them out."""

from django.contrib import messages
from django.contrib.admin.utils import unquote
from django.http import Http404, HttpResponseRedirect
from django.template.response import TemplateResponse
from unfold.decorators import action

from nexora.kernel import permissions
from nexora.kernel.admin.links import change_url, list_url

from ..models import RefreshToken
from ..services.sessions import end_all_sessions


def sessions_url(viewer, *, of):
    """The list of somebody's sessions; whoever sees but their own has no other, and no filter."""
    sees_all = permissions.reach(viewer, RefreshToken, "view") == permissions.ALL
    return list_url(RefreshToken, **({"user__id__exact": of.pk} if sees_all else {}))


class Leaving:
    """Mixed into the admin of people."""

    @action(description="Sessions", icon="devices", url_path="sessions", permissions=["see_sessions"])
    def sessions(self, request, object_id):
        user = self._person(request, object_id)
        return HttpResponseRedirect(sessions_url(request.user, of=user))

    @action(description="Sign out everywhere", icon="logout", url_path="sign-out", permissions=["sign_out"])
    def sign_out(self, request, object_id):
        user = self._person(request, object_id)
        if request.method == "POST":
            ended = end_all_sessions(user=user)
            noun = "session" if ended == 1 else "sessions"
            self.message_user(request, f"Ended {ended} {noun} of {user}.", messages.SUCCESS)
            return HttpResponseRedirect(change_url(user))
        context = {"title": f"Sign {user} out everywhere", "sessions": user.refresh_tokens.count()}
        return self._page(request, "admin/accounts/sign_out.html", user, context)

    # -- Who may

    def has_see_sessions_permission(self, request, object_id=None):
        user = self._found(request, object_id)
        reach = permissions.reach(request.user, RefreshToken, "view")
        return reach == permissions.ALL or (user is not None and user.pk == request.user.pk)

    def has_sign_out_permission(self, request, object_id=None):
        user = self._found(request, object_id)
        if user is None or user.is_above(request.user):
            return False
        reach = permissions.reach(request.user, RefreshToken, "delete")
        return reach == permissions.ALL or user.pk == request.user.pk

    def _person(self, request, object_id):
        user = self._found(request, object_id)
        if user is None:
            raise Http404
        return user

    def _found(self, request, object_id):
        """The person, looked up once a request: each action of the page asks."""
        found = request.__dict__.setdefault("people", {})
        if object_id not in found:
            found[object_id] = object_id and self.get_object(request, unquote(str(object_id)))
        return found[object_id]

    def _page(self, request, template, user, context):
        context = {
            **self.admin_site.each_context(request),
            "original": user,
            "person": user,
            "opts": self.opts,
            "back": change_url(user),
            **context,
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, template, context)
