# Arguments: the release's name, the SHA-256 of its manifest. Byte code comes with it, or from another release.
cd "$root"
held
python3 -I "releases/.$1.$token/.release/verify.py" --digest "$2" --compiled
