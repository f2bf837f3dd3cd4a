# A host that was emptied has neither lock nor guard any more.
cd "$root"
[ -e lock ] || exit 0
held
rm -f lock
