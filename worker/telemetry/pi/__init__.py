"""Raspberry Pi: published figures of its models, and probes of its firmware for supply, clock and temperature."""
