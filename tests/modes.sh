#!/bin/bash
# What the engine does by how often code is executed, forced on for everything: whatever is reached is translated at once; it is interpreted, but for what the
# interpreter can't execute; and whatever is reached twice becomes a trace. The programs of tests/sys, those that write
# code and those of single instructions give what they give natively, all the same.
#   tests/modes.sh [NAME…]      only these programs of tests/sys
set -u
TESTS=$(cd "$(dirname "$0")" && pwd)
status=0
for mode in cold=1 cold=1000000 cold=1,hot=1,verify; do
    echo "--- $mode"
    export RUN_FOREIGN_TEST=$mode
    RUNNER="env RUN_FOREIGN_TEST=$mode ${EMULATOR:-$RUN_FOREIGN}" bash "$TESTS/sys-run.sh" "$@" || status=1
    if [ $# -eq 0 ]; then
        CHURN=${CHURN:-20000} bash "$TESTS/jit.sh" || status=1
        bash "$TESTS/isa.sh" || status=1
    fi
done
exit $status
