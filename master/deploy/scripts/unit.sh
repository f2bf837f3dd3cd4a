# Arguments: the command that shows the unit.
echo "uptime=$(cut -d' ' -f1 /proc/uptime)"
sh -c "$1" 2>&1 | sed 's/^/unit./'
