#!/bin/sh
# Make the virtual environment $VENV with the first Python that is new enough, unless one is there.
VENV=${VENV:-.venv}
new_enough='import sys; sys.exit(sys.version_info < (3, 11))'

if [ -x "$VENV/bin/python" ] && "$VENV/bin/python" -c "$new_enough" 2>/dev/null; then
    exit 0
fi
for name in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11 python}; do
    if "$name" -c "$new_enough" 2>/dev/null; then
        echo "Making the environment $VENV with $("$name" --version)"
        "$name" -m venv --clear "$VENV" && exit 0
        echo "$name could not make a virtual environment." >&2
        echo "On Debian and Ubuntu: sudo apt install python3-venv" >&2
        exit 1
    fi
done
echo "The course needs Python 3.11 or newer, and ${PYTHON:-no python on your PATH} is that." >&2
echo "Install it (https://www.python.org/downloads/), or name it:" >&2
echo "    make lab PYTHON=/path/to/python3.12" >&2
exit 1
