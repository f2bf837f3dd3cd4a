# Arguments: who locks (text), since when (text), for how many seconds, which process that is, and the token of a lock whose holder
# is known to be gone. A lock ends by itself with its time, and with a reboot.
cd "$root"
boot=$(cat /proc/sys/kernel/random/boot_id)

# End with 73, and the lock, where somebody holds it whose token is not $1.
yield_to_holder() {
    until=$(sed -n 's/^until=//p' lock 2>/dev/null) || return 0 # there is none
    [ "$(sed -n 's/^boot=//p' lock 2>/dev/null)" = "$boot" ] || return 0
    [ "${until:-0}" -gt "$(cut -d. -f1 /proc/uptime)" ] || return 0
    [ "$(sed -n 's/^token=//p' lock)" != "$1" ] || return 0
    cat lock
    exit 73
}

yield_to_holder "$5"
# The unpacking of a deployment whose link was cut ends 30 s after the last that came.
alone 60
yield_to_holder "$5"
until=$(($(cut -d. -f1 /proc/uptime) + $3))
printf '%s\n' "token=$token" "holder=$1" "since=$2" "by=$4" "boot=$boot" "until=$until" >"lock.$token"
mv -T "lock.$token" lock
