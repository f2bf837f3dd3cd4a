# Arguments: the release's name. Imports every module of ours, and with it what they need. That leaves byte code, which the
# worker's user could not write: without it each start of a worker would compile all of it. What is imported is garbage only at the end.
cd "$root"
held
cd "releases/.$1.$token"
exec env -i PATH="$PATH" HOME=/nonexistent PYTHONPATH="$PWD" PYTHONNOUSERSITE=1 python3 -P -W ignore -c '
import gc
gc.disable()
import importlib, pkgutil, worker
for module in pkgutil.walk_packages(worker.__path__, "worker."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
'
