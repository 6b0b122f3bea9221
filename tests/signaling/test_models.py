from custom_components.kinesis_webrtc.signaling import (
    Credentials,
    IceServer,
    IceServerConfig,
)


def test_credentials_show_no_secrets() -> None:
    credentials = Credentials(
        access_key_id="AKID", secret_access_key="VerySecret", session_token="VerySecret"
    )

    assert "AKID" in repr(credentials)
    assert "VerySecret" not in repr(credentials)


def test_ice_servers_show_no_secrets() -> None:
    server = IceServer(urls=("turn:a",), username="VerySecret", credential="VerySecret")

    assert "VerySecret" not in repr(IceServerConfig(servers=(server,), ttl=300))
