from django.db import models


class PluginQuerySet(models.QuerySet):
    def published(self):
        return self.filter(published=True)
