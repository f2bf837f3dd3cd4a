"""Hooks: what a run tells others of itself, by an HTTP request or a command.

The run hands each call to a process of its own (`sender`) and goes on; whoever receives, slowly or not at all, can't hold it up.
"""
