# Arguments: the release's name. Its settings are good too.
cd "$root"
held
note well "$1"
[ ! -e unproven ] || rm unproven
