"""Shoal's settings: `shoal.toml`, then `SHOAL_*` environment, then options; checked at start, every fault listed."""

from __future__ import annotations

import os
import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from streams.errors import SettingsError

DAY_MS = 86_400_000


class Settings(BaseSettings):
    """Everything that can be set. Durations in the unit that the name ends with."""

    model_config = SettingsConfigDict(env_prefix="SHOAL_", extra="forbid", frozen=True, env_nested_delimiter="__")

    bootstrap_servers: str = Field("127.0.0.1:9092", description="Kafka brokers, host:port, comma separated")
    kafka: dict[str, str] = Field(
        default_factory=dict, description="librdkafka options passed through (security.protocol, sasl.*, ssl.*)"
    )
    prefix: str = Field("shoal.", pattern=r"^[a-zA-Z0-9._-]*$", description="what every topic name starts with")
    partitions: int = Field(4, ge=1, le=1024, description="partitions of events and of what lies beside them")
    replication: int = Field(1, ge=1, le=7, description="replication factor of created topics")
    group: str = Field("shoal-workers", min_length=1, description="consumer group of the workers")
    protocol: Literal["classic", "consumer"] = Field("classic", description="group protocol; consumer is KIP-848")
    clock: Literal["wall", "ticks"] = Field("wall", description="what drives sweeps: the clock, or control records in the input")
    period_ms: int = Field(DAY_MS, ge=1_000, description="time between two sweeps")
    horizon_days: float = Field(30.0, gt=0, le=365, description="how long a sample waits for its label")
    sample_every_days: float = Field(7.0, gt=0, le=365, description="how often a customer is sampled")
    future_tolerance_ms: int = Field(300_000, ge=0, description="how far ahead of the clock an event may be dated")
    max_event_bytes: int = Field(32_768, ge=256, le=1_000_000, description="larger events are dead letters")
    max_amount: float = Field(10_000_000.0, gt=0, description="larger amounts of money are dead letters")
    batch: int = Field(2_000, ge=1, le=100_000, description="records taken from the broker at a time")
    commit_min_ms: int = Field(50, ge=1, description="commit interval while the worker keeps up")
    commit_max_ms: int = Field(1_000, ge=1, description="commit interval while it catches up")
    sweep_cap: int = Field(20_000, ge=10, description="records that one transaction of a sweep may write")
    transaction_timeout_ms: int = Field(10_000, ge=1_000, description="after this a dead worker's transaction is aborted")
    session_timeout_ms: int = Field(10_000, ge=1_000, description="after this a silent worker loses its partitions")
    learner_deadline_ms: int = Field(60_000, ge=100, description="under wall: how long the learner waits for a stuck partition")
    promotion: Literal["auto", "manual"] = Field("auto", description="whether a better challenger becomes champion by itself")
    taxonomy: str = Field("retail", description="taxonomy preset, or path of a TOML file")
    definitions: str = Field("retail", description="definitions preset, or path of a TOML file")
    quarantine: bool = Field(False, description="set a poison record aside, journalled, instead of stopping")
    metrics_host: str = Field("127.0.0.1", description="address of /metrics, /healthz, /readyz")
    metrics_port: int = Field(0, ge=0, le=65535, description="port of /metrics; 0 takes a free one")
    http_host: str = Field("127.0.0.1", description="address of the views")
    http_port: int = Field(8080, ge=0, le=65535, description="port of the views")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Options win over the environment, the environment over the file."""
        path = os.environ.get("SHOAL_CONFIG", "shoal.toml")
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, toml_file=path)

    def topic(self, name: str) -> str:
        """The full name of one of Shoal's topics."""
        return self.prefix + name

    def group_name(self) -> str:
        """The workers' consumer group; topics of another prefix have another."""
        return f"{self.prefix}{self.group}"


def _fault(name: str, kind: str, said: str) -> str:
    if kind != "extra_forbidden":
        return f"{name}: {said}"
    near = get_close_matches(name, Settings.model_fields, 1)
    return f"{name}: there is no such setting" + (f"; do you mean {near[0]}?" if near else "")


def load_settings(config: Path | None = None, **options: Any) -> Settings:
    """Settings from file, environment and `options` (None: not given). Raises SettingsError with every fault."""
    given = {name: value for name, value in options.items() if value is not None}
    before = os.environ.get("SHOAL_CONFIG")
    if config is not None:
        if not config.is_file():
            raise SettingsError(str(config), ["there is no such file; give --config a TOML file"])
        os.environ["SHOAL_CONFIG"] = str(config)
    where = os.environ.get("SHOAL_CONFIG", "shoal.toml")
    try:
        settings = Settings(**given)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(where, [f"not TOML: {error}"]) from error
    except ValidationError as error:
        faults = [_fault(".".join(map(str, fault["loc"])), fault["type"], fault["msg"]) for fault in error.errors()]
        raise SettingsError(f"settings ({where}, SHOAL_* or options)", faults) from error
    finally:
        if before is None:
            os.environ.pop("SHOAL_CONFIG", None)
        else:
            os.environ["SHOAL_CONFIG"] = before
    if settings.commit_min_ms > settings.commit_max_ms:
        raise SettingsError(where, [f"commit_min_ms {settings.commit_min_ms} is above commit_max_ms {settings.commit_max_ms}"])
    return settings
