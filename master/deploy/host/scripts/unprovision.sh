# Arguments: none. Takes away what provisioning has put there, for which who deploys must be able to become root; the right to do
# that goes last. Prints `left=` and what is still there, where he is not.
print_left() {
    found=
    for path in /etc/systemd/system/piswarm-agent.service /etc/systemd/system/piswarm-governor.service /etc/sysctl.d/60-piswarm.conf \
        /etc/security/limits.d/60-piswarm-base.conf /etc/security/limits.d/60-piswarm-tuning.conf \
        /etc/systemd/journald.conf.d/60-piswarm.conf /etc/default/piswarm-agent "$etc" /var/lib/piswarm "$root"; do
        [ ! -e "$path" ] || found="$found, $path"
    done
    ! id -u "$owner" >/dev/null 2>&1 || found="$found, the user $owner"
    printf '%s\n' "left=${found#, }"
}

commands='
set -eu
root=$1 etc=$2 owner=$3
ours() { [ -e "$1" ] && head -n 1 "$1" | grep -q "^# Managed by Ansible (piswarm"; }
for unit in piswarm-agent.service piswarm-governor.service; do
    [ -e "/etc/systemd/system/$unit" ] || continue
    systemctl --quiet disable --now "$unit" 2>/dev/null || true
    rm -f "/etc/systemd/system/$unit"
done
systemctl daemon-reload
systemctl reset-failed piswarm-agent.service piswarm-governor.service 2>/dev/null || true
rm -f /etc/sysctl.d/60-piswarm.conf /etc/security/limits.d/60-piswarm-base.conf /etc/security/limits.d/60-piswarm-tuning.conf
rm -f /etc/default/piswarm-agent
if ours /etc/systemd/journald.conf.d/60-piswarm.conf; then
    rm /etc/systemd/journald.conf.d/60-piswarm.conf
    rmdir --ignore-fail-on-non-empty /etc/systemd/journald.conf.d
    systemctl restart systemd-journald.service
fi
if ours /etc/chrony/chrony.conf; then
    # As the package has it.
    if [ -e /usr/share/chrony/chrony.conf ]; then cp /usr/share/chrony/chrony.conf /etc/chrony/chrony.conf; else rm /etc/chrony/chrony.conf; fi
    systemctl try-restart chrony.service 2>/dev/null || true
fi
cd /
rm -rf "$etc" /var/lib/piswarm "$root"
! id -u "$owner" >/dev/null 2>&1 || userdel "$owner"
rm -f /etc/sudoers.d/60-piswarm
'

[ -n "$owner" ] || exit 0
cd /
if [ "$(id -u)" = 0 ]; then
    sh -c "$commands" sh "$root" "$etc" "$owner"
elif sudo -n true 2>/dev/null; then
    sudo -n sh -c "$commands" sh "$root" "$etc" "$owner"
fi
print_left
