# Arguments: who locks, since when (text), for how many seconds. The lock ends by itself with its time, and with a reboot.
cd "$root"
exec 9>>guard
flock -w 10 9 || { echo "the lock's guard is held" >&2; exit 73; }
boot=$(cat /proc/sys/kernel/random/boot_id)
now=$(cut -d. -f1 /proc/uptime)
if [ -e lock ]; then
    until=$(sed -n 's/^until=//p' lock)
    if [ "$(sed -n 's/^boot=//p' lock)" = "$boot" ] && [ "${until:-0}" -gt "$now" ]; then
        cat lock
        exit 73
    fi
fi
printf '%s\n' "token=$token" "holder=$1" "since=$2" "boot=$boot" "until=$((now + $3))" >"lock.$token"
mv -T "lock.$token" lock
