"""Settings: one frozen model, read once from defaults, file, environment and command line."""

from pipeline.settings.notifications import NotifyRule, Severity
from pipeline.settings.schema import LEAST_SILENCE_S, Settings
from pipeline.settings.sources import CONFIG_VARIABLE, ENV_PREFIX, FILE_SUFFIX, TEST_PREFIX, load_settings, origins

__all__ = [
    "CONFIG_VARIABLE",
    "ENV_PREFIX",
    "FILE_SUFFIX",
    "LEAST_SILENCE_S",
    "TEST_PREFIX",
    "NotifyRule",
    "Settings",
    "Severity",
    "load_settings",
    "origins",
]
