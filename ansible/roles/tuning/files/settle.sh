# settle.sh DRY PATH VALUE [PATH VALUE …]: write each VALUE to the kernel's files that PATH, a pattern, means. Says, line by line,
# what it changed (with DRY "yes": what it would), what could not be changed and what is not there. White space is all alike.
dry=$1
shift
while [ $# -ge 2 ]; do
  for path in $1; do
    [ -e "$path" ] || { echo "absent $path"; continue; }
    before=$(echo $(cat "$path"))
    [ "$before" != "$2" ] || continue
    if [ "$dry" = yes ]; then
      [ -w "$path" ] && echo "changed $path: $before -> $2" || echo "refused $path: stays $before"
      continue
    fi
    { printf '%s\n' "$2" >"$path"; } 2>/dev/null
    after=$(echo $(cat "$path"))
    [ "$before" = "$after" ] && echo "refused $path: stays $before" || echo "changed $path: $before -> $after"
  done
  shift 2
done
