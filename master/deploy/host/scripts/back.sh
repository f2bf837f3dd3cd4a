# Arguments: what `current` and `previous` are to mean again; empty for nothing. Settings that no agent was well with go back too.
cd "$root"
held
if [ -e unproven ]; then
    as_owner sh -c '
        set -eu
        umask 077
        cd "$1"
        [ -e node.json.before ] || exit 0
        cp -p node.json.before .node.json
        mv -T .node.json node.json
        sync -f .
    ' sh "$etc"
    rm unproven
fi
point current "$1"
point previous "$2"
sync -f .
