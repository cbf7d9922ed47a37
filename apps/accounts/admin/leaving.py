"""What an admin does about a person beside editing them: look at their sessions, sign them out, close their account."""

from django.contrib import messages
from django.contrib.admin.utils import unquote
from django.http import Http404, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from unfold.decorators import action

from nexora.kernel import handover, permissions
from nexora.kernel.admin.links import change_url, list_url
from nexora.kernel.admin.refusals import refusal_of
from nexora.kernel.errors import NexoraError

from ..forms import SuccessorForm
from ..models import RefreshToken, User
from ..services.handover import deactivate_person, hand_over
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

    @action(description="Deactivate", icon="person_off", url_path="deactivate", permissions=["close"])
    def deactivate(self, request, object_id):
        """Close the account, and hand over what is open; of a closed one, hand over alone."""
        user = self._person(request, object_id)
        form = SuccessorForm(user, request.POST if request.method == "POST" else None)
        if request.method == "POST" and form.is_valid() and self._close(request, user, form):
            return HttpResponseRedirect(change_url(user))
        context = {
            "title": f"Deactivate {user}" if user.status != User.Status.INACTIVE else f"Hand over from {user}",
            "form": form,
            "media": form.media,
            "open": handover.in_words(handover.count_open(user)),
        }
        return self._page(request, "admin/accounts/deactivate.html", user, context)

    def _close(self, request, user, form):
        """Whether it was done; what stands against it is added to the form."""
        successor = form.cleaned_data["successor"]
        was_active = user.status != User.Status.INACTIVE
        try:
            if successor:
                handover.ensure_may_move(request.user)
            moved = (
                deactivate_person(person=user, successor=successor)
                if was_active
                else successor and hand_over(person=user, successor=successor)
            )
        except NexoraError as error:
            if (refusal := refusal_of(error)) is None:
                raise
            form.add_error("successor" if successor else None, refusal.detail)
            return False
        words = handover.in_words(moved or {})
        done = [f"{user} is deactivated and signed out."] if was_active else []
        done += [f"{successor} now has {words}."] if words else []
        if was_active:
            self.log_change(request, user, [{"changed": {"fields": ["status"]}}])
        self.message_user(request, " ".join(done) or "Nothing was to be done.", messages.SUCCESS)
        return True

    def tell_what_is_open(self, request, user):
        """After an account was closed by its form: what it still holds, and where to hand it over."""
        if words := handover.in_words(handover.count_open(user)):
            link = reverse("admin:accounts_user_deactivate", args=[user.pk])
            sentence = '{} still has {} open. <a class="text-link" href="{}">Hand them over</a>'
            self.message_user(request, format_html(sentence, user, words, link), messages.WARNING)

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

    def has_close_permission(self, request, object_id=None):
        # As in the API: of who may remove people, and so of nobody whose reach is their own account.
        user = self._found(request, object_id)
        return user is not None and permissions.may(request.user, user, "delete")

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
