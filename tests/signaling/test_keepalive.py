import socket

import pytest

from custom_components.kinesis_webrtc.signaling.keepalive import keep_probing


def test_the_kernel_probes_a_quiet_connection() -> None:
    with socket.socket() as connection:
        keep_probing(connection)

        assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 3
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) > 0


def test_a_system_without_the_options_does_without(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(socket, "TCP_USER_TIMEOUT")
    with socket.socket() as connection:
        keep_probing(connection)
        keep_probing(None)

        assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
