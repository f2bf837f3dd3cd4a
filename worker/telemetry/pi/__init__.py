"""What a Raspberry Pi's firmware says of its supply, clock and temperature, and the ways to ask it."""
