# Arguments: the release's name. Makes the node's key pair unless it is there; prints the public half, the only one to leave the node.
cd "$root"
held
as_owner env -i PATH="$PATH" HOME=/nonexistent PYTHONPATH="$PWD/releases/$1" PYTHONNOUSERSITE=1 PYTHONDONTWRITEBYTECODE=1 \
    python3 -P -m worker.agent.keys "$etc/keys"
