"""Thinning of a run.db that is being written: seconds that are long past take less room, and lose nothing that is judged.

What older seconds come to is worked out beside the controller, in a process that only reads run.db (`__main__`); the controller puts it in
their place, part by part, so that no commit takes long.
"""
