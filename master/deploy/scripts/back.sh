# Arguments: what `current` and `previous` are to mean again; empty for nothing.
cd "$root"
held
point current "$1"
point previous "$2"
sync -f .
