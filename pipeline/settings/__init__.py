"""Settings: one frozen model, read once from defaults, file, environment and command line."""

from pipeline.settings.schema import (
    CONFIG_VARIABLE,
    ENV_PREFIX,
    LEAST_SILENCE_S,
    TEST_PREFIX,
    Settings,
    load_settings,
    origins,
)

__all__ = [
    "CONFIG_VARIABLE",
    "ENV_PREFIX",
    "LEAST_SILENCE_S",
    "TEST_PREFIX",
    "Settings",
    "load_settings",
    "origins",
]
