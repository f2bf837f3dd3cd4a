"""What is done on one host: its facts, the plan made from them, and the steps that carry it out."""
