# Arguments: the node's settings, one line without a secret. An agent that runs was started with others: until it is started again
# nobody knows with which. Those under which an agent was healthy are kept, until one is healthy under the new ones.
cd "$root"
held
rm -f started
if [ ! -e settings-unverified ]; then
    [ ! -e healthy ] || as_owner sh -c '
        set -eu
        umask 077
        cd "$1"
        rm -f node.json.before
        [ ! -e node.json ] || ln node.json node.json.before
        sync -f .
    ' sh "$etc"
    : >settings-unverified
fi
replace_settings 'printf "%s\n" "$2" >.node.json' "$1"
