# Arguments: what `current` and `previous` are to mean again; empty for nothing. Settings under which no agent was healthy go back too.
cd "$root"
held
if [ -e settings-unverified ]; then
    replace_settings '[ -e node.json.before ] || exit 0; cp -p node.json.before .node.json'
    rm settings-unverified
fi
point current "$1"
point previous "$2"
sync -f .
