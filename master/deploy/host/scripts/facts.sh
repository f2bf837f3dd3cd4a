# Arguments: the command that shows the unit. Prints key=value lines; the last one says that they are all there.
# It is asked of every host each time, so that it starts as few processes as can be.
line() {
    value=
    [ ! -r "$2" ] || read -r value _ <"$2" || true
    echo "$1=$value"
}
echo "arch=$(uname -m)"
echo "python=$(python3 -V 2>/dev/null || true)"
line boot /proc/sys/kernel/random/boot_id
line uptime /proc/uptime
if cd "$root" 2>/dev/null; then
    [ -w . ] && echo root=writable || echo root=read-only
    echo "free_kib=$(df -Pk . | { read -r _ && read -r _ _ _ free _ && echo "$free"; })"
    for link in current previous; do
        [ ! -L "$link" ] || echo "$link=$(readlink "$link")"
    done
    line started started
    line healthy healthy
    for release in releases/* releases/.[!.]*; do
        [ -d "$release" ] || continue
        [ -e "$release/.complete" ] && stat -c "release=%n %Y" "$release/.complete" || echo "incomplete=${release#releases/}"
    done
    [ ! -e lock ] || while read -r entry; do echo "lock.$entry"; done <lock
else
    echo root=missing
fi
# The node's own directory is closed to all but its owner.
as_owner sh -c '
    cd "$1" 2>/dev/null || { echo etc=missing; exit; }
    [ ! -r keys/node.public ] || { read -r key <keys/node.public && echo "public_key=$key"; }
    [ ! -r node.json ] || echo "settings=$(sha256sum <node.json)"
    [ -w . ] && echo etc=writable || echo etc=read-only
' sh "$etc" 2>/dev/null || echo etc=refused
sh -c "$1" 2>&1 | while read -r entry; do echo "unit.$entry"; done
echo end=
