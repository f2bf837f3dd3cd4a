# Arguments: the release's name, the SHA-256 of its manifest. Ends with 65 where it is not whole; else imports every module of ours, and
# with it what they need. That leaves byte code where none came with it, which the worker's user could not write: without it each start
# of a worker would compile all of it. One Python does both, for its start takes a while. What is imported is garbage only at the end.
cd "$root"
held
cd "releases/.$1.$token"
exec env -i PATH="$PATH" HOME=/nonexistent python3 -I -W ignore -c '
import gc
gc.disable()
import importlib, pathlib, pkgutil, runpy, sys
release, digest = pathlib.Path.cwd(), sys.argv[1]
try:
    found = runpy.run_path(".release/verify.py")["problems"](release, digest=digest, compiled=True)
except Exception as error:
    found = [f".release/verify.py: {error!r}"]
if found:
    print(*found, sep="\n", file=sys.stderr)
    sys.exit(65)
sys.path.insert(0, str(release))
import worker
for module in pkgutil.walk_packages(worker.__path__, "worker."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
' "$2"
