"""The presets: how each program takes credentials."""

from collections.abc import Mapping

from botkeys.commands.endings import UsageFault
from botkeys.commands.run.delivery import Preset
from botkeys.commands.run.presets.environment import EnvironmentPreset
from botkeys.commands.run.presets.json_file import JsonPreset

PRESETS: Mapping[str, Preset] = {
    preset.name: preset
    for preset in (
        EnvironmentPreset(),
        JsonPreset(),
    )
}


def find_preset(name: str) -> Preset:
    """Raises UsageFault."""
    if name not in PRESETS:
        raise UsageFault(f"{name!r} is no preset. The presets are {', '.join(PRESETS)}.")
    return PRESETS[name]
