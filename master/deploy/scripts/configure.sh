# Arguments: the node's settings, one line without a secret. An agent that runs was started with others: until it is started again
# nobody knows with which.
cd "$root"
held
rm -f started
as_owner sh -c '
    set -eu
    umask 077
    cd "$1"
    printf "%s\n" "$2" >.node.json
    sync .node.json
    mv -T .node.json node.json
    sync -f .
' sh "$etc" "$1"
