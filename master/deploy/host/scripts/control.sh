# Arguments: what to do with the unit, and the release's name where it is started with one.
cd "$root"
held
sh -c "$1" 9>&-
[ -z "${2-}" ] || note started "$2"
