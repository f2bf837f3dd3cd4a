"""The commands of `piswarm` that have no room of their own: what each reads of a command line, and has done.

Imported whenever `piswarm` starts, so that these modules import little but Typer; the rest within their functions.
"""
