from django.contrib import admin
from django.urls import path
from rest_framework.routers import SimpleRouter

from . import viewsets
from .views import browser, factors, invitations, own_password, passwords, sessions, signup, verification

app_name = "accounts"

router = SimpleRouter()
router.register("users", viewsets.UserViewSet, basename="user")
router.register("invitations", viewsets.InvitationViewSet, basename="invitation")
router.register("api-keys", viewsets.APIKeyViewSet, basename="apikey")
router.register("sessions", viewsets.SessionViewSet, basename="session")
router.register("notifications", viewsets.NotificationViewSet, basename="notification")
router.register("audit-events", viewsets.AuditEventViewSet, basename="auditevent")

urlpatterns = [
    path("auth/token/", sessions.TokenView.as_view(), name="token"),
    path("auth/token/refresh/", sessions.TokenRefreshView.as_view(), name="token-refresh"),
    path("auth/token/logout/", sessions.LogoutView.as_view(), name="token-logout"),
    path("auth/token/logout-all/", sessions.LogoutAllView.as_view(), name="token-logout-all"),
    path("signup/", signup.SignUpView.as_view(), name="signup"),
    path("auth/verify-email/", verification.VerifyEmailView.as_view(), name="verify-email"),
    path("auth/verify-email/resend/", verification.ResendView.as_view(), name="verify-email-resend"),
    path("auth/second-factor/", factors.EnrolmentView.as_view(), name="second-factor"),
    path("auth/second-factor/confirm/", factors.ConfirmationView.as_view(), name="second-factor-confirm"),
    path("auth/second-factor/recovery-codes/", factors.RecoveryCodesView.as_view(), name="second-factor-codes"),
    path("auth/second-factor/remove/", factors.RemovalView.as_view(), name="second-factor-remove"),
    path("auth/invitations/accept/", invitations.AcceptView.as_view(), name="invitation-accept"),
    path("auth/password-reset/", passwords.ResetRequestView.as_view(), name="password-reset"),
    path("auth/password-reset/confirm/", passwords.ResetView.as_view(), name="password-reset-confirm"),
    path("auth/password/", own_password.OwnPasswordView.as_view(), name="own-password"),
    path("auth/me/", sessions.MeView.as_view(), name="me"),
    *router.urls,
]

# For people who are not signed in; nexora.urls serves them outside the API.
pages = [
    path("signup", signup.SignUpPage.as_view(), name="signup-page"),
    path("verify-email", verification.VerifyEmailPage.as_view(), name="verify-email-page"),
    path("verify-email/resend", verification.ResendPage.as_view(), name="verify-email-resend-page"),
    path("join", invitations.JoinPage.as_view(), name="join-page"),
    path("password-reset", passwords.ResetRequestPage.as_view(), name="password-reset-page"),
    path("password-reset/confirm", passwords.ResetPage.as_view(), name="password-reset-confirm-page"),
]

# Of the back office, beside the records' own.
admin_pages = (
    [
        path("login/", browser.SignIn.as_view(), name="sign-in"),
        path("login/code/", browser.CodeStep.as_view(), name="code"),
        path("login/set-up/", browser.SetUpStep.as_view(), name="set-up"),
        path("second-factor/", admin.site.admin_view(browser.OwnFactor.as_view()), name="second-factor"),
    ],
    "signin",
)
