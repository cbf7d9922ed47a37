from django.urls import path
from rest_framework.routers import SimpleRouter

from . import viewsets
from .views import sessions

app_name = "accounts"

router = SimpleRouter()
router.register("users", viewsets.UserViewSet, basename="user")
router.register("api-keys", viewsets.APIKeyViewSet, basename="apikey")
router.register("audit-events", viewsets.AuditEventViewSet, basename="auditevent")

urlpatterns = [
    path("auth/token/", sessions.TokenView.as_view(), name="token"),
    path("auth/token/refresh/", sessions.TokenRefreshView.as_view(), name="token-refresh"),
    path("auth/token/logout/", sessions.LogoutView.as_view(), name="token-logout"),
    path("auth/token/logout-all/", sessions.LogoutAllView.as_view(), name="token-logout-all"),
    path("auth/me/", sessions.MeView.as_view(), name="me"),
    *router.urls,
]
