"""NEXORA's own settings, with an app that does what a test has ordered to happen to its process: see injection.py."""

from nexora.settings import *  # noqa: F403
from nexora.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.workflows.faults.apps.FaultsConfig"]
