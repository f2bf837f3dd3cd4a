# Arguments: the release's name. Its settings are good too.
cd "$root"
held
note healthy "$1"
[ ! -e settings-unverified ] || rm settings-unverified
