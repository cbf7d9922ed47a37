from django.urls import path
from rest_framework.routers import SimpleRouter

from . import views, viewsets

app_name = "accounts"

router = SimpleRouter()
router.register("users", viewsets.UserViewSet, basename="user")
router.register("audit-events", viewsets.AuditEventViewSet, basename="auditevent")

urlpatterns = [
    path("auth/token/", views.TokenView.as_view(), name="token"),
    path("auth/token/refresh/", views.TokenRefreshView.as_view(), name="token-refresh"),
    path("auth/token/logout/", views.LogoutView.as_view(), name="token-logout"),
    path("auth/token/logout-all/", views.LogoutAllView.as_view(), name="token-logout-all"),
    path("auth/me/", views.MeView.as_view(), name="me"),
    *router.urls,
]
