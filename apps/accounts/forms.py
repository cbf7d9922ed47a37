"""Forms of the admin's account pages."""

from django import forms
from django.contrib.admin import site
from django.contrib.auth.password_validation import password_validators_help_text_html, validate_password
from django.core.exceptions import ValidationError
from unfold.forms import AdminOwnPasswordChangeForm, AuthenticationForm
from unfold.widgets import (
    UnfoldAdminPasswordToggleWidget,
    UnfoldAdminPasswordWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from nexora.kernel import permissions
from nexora.kernel.admin.forms import RecordForm
from nexora.kernel.admin.records import RecordSelect
from nexora.kernel.errors import Forbidden, Invalid, NotSignedIn

from .models import AuditEvent, Invitation, User
from .services import own_password, signin
from .services.attempts import TooManyAttempts


class SignInForm(AuthenticationForm):
    """Sign-in by email. Guests have the right password and still no business here; they are told so."""

    error_messages = {
        "invalid_login": "No active account of this organisation has this email and password.",
        "no_staff": "Guests read through the API; this back office is for staff. Ask an admin for another role.",
    }

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        email = self.fields["username"]
        email.label = "Email"
        email.widget.attrs |= {
            "type": "email",
            "autocomplete": "username",
            "inputmode": "email",
            "autocapitalize": "none",
        }
        email.widget.input_type = "email"

    def clean(self):
        email, password = self.cleaned_data.get("username"), self.cleaned_data.get("password")
        if email and password:
            try:
                self.user_cache = signin.recognise(request=self.request, email=email, password=password)
            except NotSignedIn as error:
                raise self.get_invalid_login_error() from error
            except TooManyAttempts as error:
                raise ValidationError(error.detail, code=error.code) from error
            self.confirm_login_allowed(self.user_cache)
        return self.cleaned_data

    def confirm_login_allowed(self, user):
        if not user.is_staff:
            raise ValidationError(self.error_messages["no_staff"], code="no_staff")


class CodeForm(forms.Form):
    """One code: of the phone's app, or a recovery code where there are any."""

    code = forms.CharField(
        max_length=40,
        widget=UnfoldAdminTextInputWidget(
            attrs={"autocomplete": "one-time-code", "autocapitalize": "none", "spellcheck": "false", "autofocus": True}
        ),
    )


class ProofForm(forms.Form):
    """Who changes a second factor knows the password and, where there is one, has the factor."""

    password = forms.CharField(
        strip=False,
        max_length=1024,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "current-password"}),
    )
    code = forms.CharField(
        max_length=40,
        help_text="Of your app, or a recovery code.",
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "one-time-code", "autocapitalize": "none"}),
    )

    def __init__(self, *args, has_factor, **kwargs):
        super().__init__(*args, **kwargs)
        if not has_factor:
            del self.fields["code"]


def new_password_field(**options):
    return forms.CharField(
        strip=False,
        max_length=1024,
        widget=UnfoldAdminPasswordToggleWidget(attrs={"autocomplete": "new-password"}),
        **options,
    )


class NewPassword(forms.Form):
    """Two equal entries of a password that the validators accept. `user` is whose it will be."""

    password1 = new_password_field(label="Password", help_text=password_validators_help_text_html())
    password2 = new_password_field(label="Password again")

    def clean(self):
        cleaned = super().clean()
        first, second = self.cleaned_data.get("password1"), self.cleaned_data.get("password2")
        if first and second and first != second:
            self.add_error("password2", "The two entries differ.")
        return cleaned


class PasswordForm(NewPassword):
    """Gives somebody else a new password."""

    def __init__(self, user, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.user = user

    def clean_password1(self):
        password = self.cleaned_data["password1"]
        validate_password(password, self.user)
        return password

    def save(self):
        self.user.set_password(self.cleaned_data["password1"])
        self.user.save()
        return self.user


class OwnPasswordForm(AdminOwnPasswordChangeForm):
    """A wrong old password counts as a failed sign-in: whoever finds a browser open cannot guess."""

    def clean_old_password(self):
        password = self.cleaned_data["old_password"]
        person = own_password.find_active(user_id=self.user.pk)
        try:
            own_password.confirm_own_password(user=person, password=password)
        except Invalid as error:
            raise ValidationError(self.error_messages["password_incorrect"], code="password_incorrect") from error
        except TooManyAttempts as error:
            raise ValidationError(error.detail, code=error.code) from error
        return password


# Of more, one is searched for.
MOST_OFFERED = 100


class SuccessorForm(forms.Form):
    """Who takes over what `person` leaves behind."""

    successor = forms.ModelChoiceField(
        queryset=User.objects.none(),
        required=False,
        label="Hand over to",
        help_text="An active colleague who is no guest. Left empty, it stays where it is.",
    )

    def __init__(self, person, *args, **kwargs):
        super().__init__(*args, **kwargs)
        field = self.fields["successor"]
        field.queryset = User.objects.filter(tenant_id=person.tenant_id)
        able = field.queryset.active().exclude(pk=person.pk).exclude(role=User.Role.GUEST).order_by("name", "pk")
        if len(few := able[: MOST_OFFERED + 1]) <= MOST_OFFERED:
            named = [(one.pk, f"{one.name} ({one.get_role_display()})") for one in few]
            field.widget = UnfoldAdminSelectWidget(choices=[("", "Nobody"), *named])
            return
        # Any relation to people leads to the list of them.
        field.widget = RecordSelect(AuditEvent._meta.get_field("actor"), site)
        field.widget.choices = field.choices
        field.widget.attrs["data-tenant"] = str(person.tenant_id)


class RoleForm(RecordForm):
    """Of what gives somebody a role. Those above the editor's own are not offered, and refused all the same."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        if "role" in self.fields:
            self.fields["role"].choices = [
                (role, label) for role, label in User.Role.choices if self._may_be_offered(role)
            ]

    def _may_be_offered(self, role):
        return permissions.rank(role) <= permissions.rank(self.actor.role)

    def clean_role(self):
        role = self.cleaned_data["role"]
        if role != self.instance.role or self.instance._state.adding:
            try:
                permissions.ensure_may_grant(self.actor, role)
            except Forbidden as error:
                raise ValidationError(error.detail) from error
        return role


class UserForm(RoleForm):
    """A person's account."""

    # Or an address that is taken here would be refused in another way than one that is taken elsewhere.
    left_to_database = ("email",)

    class Meta:
        model = User
        fields = ()


class InvitationForm(RoleForm):
    class Meta:
        model = Invitation
        fields = ()


class UserAddForm(NewPassword, UserForm):
    def _post_clean(self):
        super()._post_clean()
        password = self.cleaned_data.get("password1")
        if password:
            try:
                validate_password(password, self.instance)
            except ValidationError as error:
                self.add_error("password1", error)
            else:
                self.instance.set_password(password)


# -- Pages outside the admin


class EmailForm(forms.Form):
    email = forms.EmailField(
        max_length=255, widget=forms.EmailInput(attrs={"autocomplete": "username", "autocapitalize": "none"})
    )


class NewPasswordForm(forms.Form):
    """By the token of a mailed link."""

    token = forms.CharField(max_length=255, widget=forms.HiddenInput)
    password = forms.CharField(
        strip=False,
        max_length=1024,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="At least 10 characters, and nothing that others would guess.",
    )
    password_again = forms.CharField(
        strip=False, max_length=1024, widget=forms.PasswordInput(attrs={"autocomplete": "new-password"})
    )

    def clean(self):
        cleaned = super().clean()
        first, second = self.cleaned_data.get("password"), self.cleaned_data.get("password_again")
        if first and second and first != second:
            self.add_error("password_again", "The two entries differ.")
        return cleaned


class JoinForm(NewPasswordForm):
    name = forms.CharField(max_length=255, label="Your name", widget=forms.TextInput(attrs={"autocomplete": "name"}))

    field_order = ("token", "name", "password", "password_again")
