# Arguments: the release's name. A reader of `current` finds the old release or the new one, at every moment.
cd "$root"
held
[ -e "releases/$1/.complete" ] || { echo "release $1 is not complete" >&2; exit 1; }
old=$(readlink current || true)
if [ "$old" != "releases/$1" ]; then
    point previous "$old"
    point current "releases/$1"
    sync -f .
fi
