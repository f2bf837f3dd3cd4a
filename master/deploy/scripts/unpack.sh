# Arguments: the release's name. The archive is on standard input; it becomes visible as a release by place.sh alone.
cd "$root"
held
mkdir -p releases
rm -rf "releases/.$1".*
mkdir "releases/.$1.$token"
tar -xzf - --no-same-owner -C "releases/.$1.$token"
