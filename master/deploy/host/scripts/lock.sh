# Arguments: who locks (text), since when (text), for how many seconds, which process that is, and the token of a lock whose holder
# is known to be gone. A lock ends by itself with its time, and with a reboot.
cd "$root"
boot=$(cat /proc/sys/kernel/random/boot_id)

refused() {
    until=$(sed -n 's/^until=//p' lock 2>/dev/null)
    [ "$(sed -n 's/^boot=//p' lock 2>/dev/null)" = "$boot" ] || return 1
    [ "${until:-0}" -gt "$(cut -d. -f1 /proc/uptime)" ] || return 1
    [ "$(sed -n 's/^token=//p' lock)" != "$1" ] || return 1
}

if refused "$5"; then
    cat lock
    exit 73
fi
# The unpacking of a deployment whose link was cut ends 30 s after the last that came.
alone 60
if refused "$5"; then
    cat lock
    exit 73
fi
until=$(($(cut -d. -f1 /proc/uptime) + $3))
printf '%s\n' "token=$token" "holder=$1" "since=$2" "by=$4" "boot=$boot" "until=$until" >"lock.$token"
mv -T "lock.$token" lock
