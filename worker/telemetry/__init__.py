"""What a node measures of itself: CPU, memory, network, temperature, and what the firmware says of throttling."""
