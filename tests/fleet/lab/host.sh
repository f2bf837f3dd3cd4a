# host.sh DIRECTORY ROOTFS NAME NETNS SIGNAL CGROUP…: one machine, from power on to power off, in a mount namespace of its own. Its
# file system is ROOTFS with what differs in DIRECTORY; SIGNAL tells its systemd to shut down. Started by hosts.py.
set -eu
directory=$1 rootfs=$2 name=$3 netns=$4 signal=$5
shift 5
# In groups of its own, or machines would share the one that their payload is put into.
for group; do echo $$ >"$group/cgroup.procs"; done
# Its own network's settings are its own.
export SYSTEMD_NSPAWN_API_VFS_WRITABLE=network
mount --make-rprivate /
mount -t overlay overlay -o "lowerdir=$rootfs,upperdir=$directory/upper,workdir=$directory/work" "$directory/root"
while :; do
    status=0
    systemd-nspawn --quiet --register=no --keep-unit --boot --directory="$directory/root" --machine="$name" --hostname="$name" \
        --uuid="$(cat "$directory/uuid")" --network-namespace-path="/run/netns/$netns" --resolv-conf=off --timezone=off \
        --link-journal=no --capability=CAP_NET_ADMIN --console=read-only --kill-signal="$signal" </dev/null || status=$?
    [ "$status" = 133 ] || exit "$status" # 133: it was told to reboot
done
