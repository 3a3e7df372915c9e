#!/bin/sh
# Write constraints.txt: the exact versions that a clean install takes today.
# Run the tests afterwards, then save the file with what had to change for it.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

VENV="$folder/venv" sh tools/make_venv.sh
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check -e '.[dev,pretrained,cluster,site,tensorflow]'
{
    echo "# The exact versions that the course is tested with; \`make constraints\` renews the file."
    # The local part of a version (+cpu) differs from machine to machine.
    "$folder/venv/bin/python" -m pip freeze --exclude-editable | sed 's/+.*//'
} > "$folder/constraints.txt"
cp "$folder/constraints.txt" constraints.txt
echo "constraints.txt: $(grep -c == constraints.txt) packages"
