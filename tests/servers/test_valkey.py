"""An embedded Valkey answers as it was asked to, and says clearly why when it cannot."""

import importlib.util
import socket
from pathlib import Path

import psutil
import pytest
import redis

from scaleworthy.errors import InvalidInput, MissingExtra, ServerError, UsageError
from scaleworthy.servers import GivenValkey, Valkey, valkey_at


@pytest.mark.parametrize("form", ["url", "socket_url"])
def test_both_addresses_reach_the_server(valkey: Valkey, form: str) -> None:
    with redis.Redis.from_url(getattr(valkey, form)) as client:
        assert client.ping()
        assert client.info("server")["process_id"] == valkey.pid


def test_a_second_one_in_a_path_with_a_space_takes_settings_and_leaves_nothing(valkey: Valkey, tmp_path: Path) -> None:
    folder = tmp_path / "a b"
    folder.mkdir()
    with Valkey.start(temporary=folder, settings={"maxmemory": "64mb"}) as other:
        assert other.port != valkey.port
        with redis.Redis.from_url(other.socket_url) as client:
            assert client.config_get("maxmemory") == {"maxmemory": str(64 * 2**20)}
        process = psutil.Process(other.pid)
        other.stop()
        other.stop()
    assert not process.is_running()
    assert list(folder.iterdir()) == []


def test_a_bad_setting_shows_the_servers_own_words(tmp_path: Path) -> None:
    with pytest.raises(ServerError, match=r"(?s)Valkey ended while starting.*maxmemory"):
        Valkey.start(settings={"maxmemory": "plenty"}, temporary=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_settings_that_cannot_be_are_all_named() -> None:
    with pytest.raises(InvalidInput) as caught:
        Valkey.start(settings={"port": "1", "max memory": "1", "loglevel": "a\nb"})
    assert len(caught.value.problems) == 3


def test_a_port_in_use_is_said(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(UsageError, match="is in use"):
            Valkey.start(port=taken.getsockname()[1], temporary=tmp_path)


def test_a_missing_wheel_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)

    with pytest.raises(MissingExtra, match="an embedded Valkey needs the extra 'servers'"):
        Valkey.start()


def test_a_given_url_is_used_as_it_is(valkey: Valkey) -> None:
    with valkey_at(valkey.url) as server:
        assert server == GivenValkey(valkey.url)
    with redis.Redis.from_url(valkey.url) as client:
        assert client.ping()
