# Arguments: the release's name. What is not on the disk would be empty after a power cut, and yet be complete.
cd "$root"
held
: >"releases/.$1.$token/.complete"
sync -f "releases/.$1.$token"
rm -rf "releases/$1"
mv -T "releases/.$1.$token" "releases/$1"
sync -f releases
