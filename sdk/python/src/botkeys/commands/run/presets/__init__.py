"""The presets: how each program takes credentials. Each is imported when it is asked for."""

from collections.abc import Mapping
from importlib import import_module

from botkeys.commands.endings import UsageFault
from botkeys.commands.run.delivery import Preset

PRESETS: Mapping[str, tuple[str, str]] = {
    "freqtrade": ("freqtrade", "FreqtradePreset"),
    "passivbot": ("passivbot", "PassivbotPreset"),
    "nautilus": ("nautilus", "NautilusPreset"),
    "cryptofeed": ("cryptofeed", "CryptofeedPreset"),
    "hummingbot-api": ("hummingbot", "HummingbotApiPreset"),
    "env": ("environment", "EnvironmentPreset"),
    "json": ("json_file", "JsonPreset"),
}
"""Module and class of each."""


def find_preset(name: str) -> Preset:
    """Raises UsageFault."""
    if name not in PRESETS:
        raise UsageFault(f"{name!r} is no preset. The presets are {', '.join(PRESETS)}.")
    module, class_name = PRESETS[name]
    preset: Preset = getattr(import_module(f"{__name__}.{module}"), class_name)()
    return preset
