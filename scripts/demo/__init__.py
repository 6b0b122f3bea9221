"""The demo: a real Home Assistant, configured against the emulator, on loopback."""
