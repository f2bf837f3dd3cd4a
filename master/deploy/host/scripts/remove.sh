# Arguments: none. Takes away what deployments have put there; the directories belong to whoever prepared the host.
cd "$root"
held
rm -rf releases current previous started healthy settings-unverified ./*."$token"
as_owner sh -c '
    set -eu
    cd "$1" 2>/dev/null || exit 0
    rm -rf keys node.json .node.json node.json.before
    [ -z "$2" ] || [ ! -w /var/lib/piswarm ] || find /var/lib/piswarm -mindepth 1 -delete
' sh "$etc" "$owner"
rm -f guard lock
