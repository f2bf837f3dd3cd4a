# Arguments: names below releases/. What is half gone must not look complete.
cd "$root"
held
for name; do
    rm -f "releases/$name/.complete"
    rm -rf "releases/$name"
done
