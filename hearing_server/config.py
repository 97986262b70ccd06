"""Settings of the service, from the environment (HEARING_...) or the command line."""

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Config(BaseSettings):
    """Every setting has a default that runs the service on one machine, with SQLite and local files."""

    model_config = SettingsConfigDict(env_prefix="HEARING_", extra="ignore")

    data_dir: Path = Field(Path("hearing-data"), description="Database, keys, checkpoints.")
    database_url: str | None = Field(None, description="SQLAlchemy async URL; default: SQLite in the data folder.")
    host: str = Field("127.0.0.1", description="Address of the web server.")
    port: int = Field(8080, ge=0, le=65535)
    public_url: str | None = Field(None, description="How people reach the service; default from host and port.")
    allowed_origins: tuple[str, ...] = Field((), description="Further origins whose pages may open a WebSocket.")
    tls_cert: Path | None = Field(None, description="PEM certificate chain; with tls_key it turns TLS on.")
    tls_key: Path | None = None
    tls_self_signed: bool = Field(False, description="Make and keep a self-signed certificate in the data folder.")
    media_addresses: tuple[str, ...] = Field((), description="Local addresses for media; default from host.")
    media_advertise: str | None = Field(None, description="Public address when the service is behind NAT.")
    media_ports: tuple[int, int] | None = Field(None, description="Lowest and highest UDP port for media.")
    media_rooms_per_process: int = Field(
        1, ge=1, description="Hearings that share a relay process; more save memory, and fall together."
    )
    turn_urls: tuple[str, ...] = Field((), description="turn:/turns: URLs for browsers that have only TCP or TLS.")
    turn_secret: SecretStr = Field(SecretStr(""), description="Secret shared with the TURN server (use-auth-secret).")
    link_valid_h: float = Field(72, gt=0, description="How long an unused personal link works, in hours.")
