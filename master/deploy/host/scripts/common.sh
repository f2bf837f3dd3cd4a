set -eu
umask 022
export LC_ALL=C
token=$1 root=$2 etc=$3 owner=$4
shift 4

# Do something as the owner of the node's own directory, whom who deploys may act for.
as_owner() {
    if [ -z "$owner" ]; then
        "$@"
        return
    fi
    case $(id -un) in
    "$owner") "$@" ;;
    root) runuser -u "$owner" -- "$@" ;;
    *) sudo -n -u "$owner" -- "$@" ;;
    esac
}

# Let one script go on at a time, for one whose connection was cut may still be running; wait for $1 seconds.
alone() {
    exec 9>>guard
    flock -w "$1" 9 || { echo "something that was begun earlier is still running" >&2; exit 1; }
}

# Let only the lock's holder go on.
held() {
    alone 20
    [ "$(sed -n 's/^token=//p' lock 2>/dev/null)" = "$token" ] || exit 75
}

# Put the node's settings in place, at once and whole. The shell text $1, which may use $2, writes them to .node.json.
replace_settings() {
    as_owner sh -c "
        set -eu
        umask 077
        cd \"\$1\"
        $1
        sync .node.json
        mv -T .node.json node.json
        sync -f .
    " sh "$etc" "${2-}"
}

# Let the link $1 mean $2, or be gone when that is empty, at once.
point() {
    if [ -z "$2" ]; then
        rm -f "$1"
    elif [ "$(readlink "$1" || true)" != "$2" ]; then
        rm -f "$1.$token"
        ln -s "$2" "$1.$token"
        mv -T "$1.$token" "$1"
    fi
}

# Let the file $1 say $2, at once.
note() {
    printf '%s\n' "$2" >"$1.$token"
    mv -T "$1.$token" "$1"
}

