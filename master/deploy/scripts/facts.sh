# Arguments: the command that shows the unit. Prints key=value lines; the last one says that they are all there.
echo "arch=$(uname -m)"
echo "python=$(python3 -I -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null || true)"
echo "boot=$(cat /proc/sys/kernel/random/boot_id)"
echo "uptime=$(cut -d' ' -f1 /proc/uptime)"
if cd "$root" 2>/dev/null; then
    [ -w . ] && echo root=writable || echo root=read-only
    echo "free_kib=$(df -Pk . | awk 'NR == 2 { print $4 }')"
    for link in current previous; do
        echo "$link=$(readlink "$link" || true)"
    done
    for file in started well; do
        [ ! -e "$file" ] || echo "$file=$(head -n 1 "$file")"
    done
    [ ! -e keys/node.public ] || echo "public_key=$(head -n 1 keys/node.public)"
    for release in releases/* releases/.[!.]*; do
        [ -d "$release" ] || continue
        if [ -e "$release/.complete" ]; then
            echo "release=${release#releases/} $(stat -c %Y "$release/.complete")"
        else
            echo "part=${release#releases/}"
        fi
    done
    [ ! -e lock ] || sed 's/^/lock./' lock
else
    echo root=missing
fi
sh -c "$1" 2>&1 | sed 's/^/unit./'
echo end=
