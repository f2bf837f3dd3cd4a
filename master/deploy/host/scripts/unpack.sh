# Arguments: the release's name, and that of another one here whose files make up what the archive lacks; empty for none.
# The archive is on standard input; it becomes visible as a release by place.sh alone.
cd "$root"
held
mkdir -p releases
rm -rf "releases/.$1".*
mkdir "releases/.$1.$token"
# Python's zlib takes 0.6 of the time of gzip. Where it ends early, tar misses the archive's end; all of it is verified later anyway.
# A host whose link was cut has nothing to send, and would not notice for hours: what sends nothing for long is gone.
python3 -I -S -c '
import os, select, signal, sys, zlib
signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # why tar ended is for tar to say
archive = zlib.decompressobj(wbits=31)
while select.select([0], [], [], 30)[0]:
    chunk = os.read(0, 1 << 16)
    if not chunk:
        sys.exit()
    sys.stdout.buffer.write(archive.decompress(chunk))
sys.exit("nothing came for 30 s")
' | tar -xf - --no-same-owner -C "releases/.$1.$token"
[ -n "$2" ] || exit 0
# Links, for an SD card is slow to write and wears out. The lists are of the files, and of the byte code that came with them.
exec python3 -I -c '
import json, os, sys
base, new = sys.argv[1:]
def listed(release):
    found = {}
    for name in ("code", "manifest"):
        if os.path.exists(f"{release}/.release/{name}.json"):
            with open(f"{release}/.release/{name}.json", "rb") as listed:
                found |= json.load(listed)["files"]
    return found
before, made = listed(base), set()
for path, content in listed(new).items():
    if before.get(path) != content or os.path.lexists(f"{new}/{path}"):
        continue
    directory = f"{new}/{path}".rpartition("/")[0]
    if directory not in made:
        os.makedirs(directory, exist_ok=True)
        made.add(directory)
    os.link(f"{base}/{path}", f"{new}/{path}")
' "releases/$2" "releases/.$1.$token"
