"""Rights in the admin."""

from nexora.kernel import permissions


class PolicyRights:
    """Django's has_*_permission, answered by the policy table."""

    def has_module_permission(self, request):
        return permissions.reach(request.user, self.model, "view") is not None

    def has_view_permission(self, request, obj=None):
        return self._may(request, obj, "view")

    def has_add_permission(self, request):
        return permissions.reach(request.user, self.model, "create") is not None

    def has_change_permission(self, request, obj=None):
        return self._may(request, obj, "update")

    def has_delete_permission(self, request, obj=None):
        return self._may(request, obj, "delete")

    def _may(self, request, obj, action):
        if isinstance(obj, self.model):
            return permissions.may(request.user, obj, action)
        return permissions.reach(request.user, self.model, action) is not None
