"""The checks, one class for each subject."""
