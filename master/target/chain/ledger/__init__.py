"""What the chain consists of and when each part of it is right: pure, no clock and no input or output."""
