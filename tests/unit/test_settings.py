"""What the environment says."""

import pytest
from pydantic import Field
from pydantic_settings import SettingsConfigDict

from daybook.project import DaybookError
from daybook.settings import EnvironmentSettings


class KettleSettings(EnvironmentSettings):
    """Settings of a kettle."""

    model_config = SettingsConfigDict(env_prefix="KETTLE_")

    litres: float = Field(1.5, gt=0)
    cups: int = 4


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KETTLE_LITRES", "2")
    monkeypatch.setenv("KETTLE_CUPS", "")
    settings = KettleSettings.read()
    assert (settings.litres, settings.cups) == (2.0, 4)


def test_settings_that_are_wrong_are_all_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KETTLE_LITRES", "-1")
    monkeypatch.setenv("KETTLE_CUPS", "many")
    with pytest.raises(DaybookError, match="KETTLE_LITRES=-1: .*; KETTLE_CUPS=many: "):
        KettleSettings.read()
