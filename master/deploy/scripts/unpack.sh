# Arguments: the release's name, and that of another one here whose files make up what the archive lacks; empty for none.
# The archive is on standard input; it becomes visible as a release by place.sh alone.
cd "$root"
held
mkdir -p releases
rm -rf "releases/.$1".*
mkdir "releases/.$1.$token"
tar -xzf - --no-same-owner -C "releases/.$1.$token"
[ -n "$2" ] || exit 0
# Links, for an SD card is slow to write and wears out; those of byte code save making it.
exec python3 -I -c '
import json, os, sys
base, new = sys.argv[1:]
def listed(release):
    with open(f"{release}/.release/manifest.json", "rb") as manifest:
        return json.load(manifest)["files"]
before, made = listed(base), set()
for path, content in listed(new).items():
    if before.get(path) != content:
        continue
    directory, _, name = path.rpartition("/")
    stem, _, kind = name.rpartition(".")
    if directory not in made:
        os.makedirs(f"{new}/{directory}", exist_ok=True)
        made.add(directory)
    os.link(f"{base}/{path}", f"{new}/{path}")
    code = f"{directory}/__pycache__/{stem}.{sys.implementation.cache_tag}.pyc".lstrip("/")
    if kind == "py" and os.path.exists(f"{base}/{code}"):
        os.makedirs(os.path.dirname(f"{new}/{code}"), exist_ok=True)
        os.link(f"{base}/{code}", f"{new}/{code}")
' "releases/$2" "releases/.$1.$token"
