# Arguments: what `current` and `previous` are to mean again; empty for nothing. Settings that no agent was well with go back too.
cd "$root"
held
if [ -e unproven ]; then
    replace_settings '[ -e node.json.before ] || exit 0; cp -p node.json.before .node.json'
    rm unproven
fi
point current "$1"
point previous "$2"
sync -f .
