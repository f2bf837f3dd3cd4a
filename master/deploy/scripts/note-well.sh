# Arguments: the release's name.
cd "$root"
held
note well "$1"
