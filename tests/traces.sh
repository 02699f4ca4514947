#!/bin/bash
# The optimizing tier forced on for everything: what is reached twice becomes a trace, and every translation is checked. The programs of tests/sys, those that write
# code and those of single instructions give what they give natively, all the same.
#   tests/traces.sh [NAME…]      only these programs of tests/sys
set -u
TESTS=$(cd "$(dirname "$0")" && pwd)
export RUN_FOREIGN_TEST=hot=1,verify
status=0
RUNNER="env RUN_FOREIGN_TEST=$RUN_FOREIGN_TEST ${EMULATOR:-$RUN_FOREIGN}" bash "$TESTS/sys-run.sh" "$@" || status=1
if [ $# -eq 0 ]; then
    CHURN=${CHURN:-20000} bash "$TESTS/jit.sh" || status=1
    bash "$TESTS/isa.sh" || status=1
fi
exit $status
