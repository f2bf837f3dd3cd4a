"""The verdict: did the thresholds hold, and was the generator fit to say so? Pure; what was measured comes as parameters."""
