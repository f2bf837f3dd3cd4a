# Arguments: the command that shows the unit.
read -r uptime _ </proc/uptime
echo "uptime=$uptime"
sh -c "$1" 2>&1 | while read -r entry; do echo "unit.$entry"; done
