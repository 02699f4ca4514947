"""Verdict lines of one of CPython's test modules: junit.py MODULE STATUS LOG, where LOG ends with regrtest's XML."""
import re
import sys
import xml.etree.ElementTree as tree

module, status, log = sys.argv[1], int(sys.argv[2]), open(sys.argv[3], errors="replace").read()
text, _, xml = log.partition("== result.xml\n")
if status in (124, 137) or "Timeout (" in text:
    whole = "hangs"
elif status == 0:
    whole = "skipped" if f"{module} skipped" in text else "passed"
elif status == 4:  # no test ran
    whole = "skipped"
elif status == 2:
    whole = "failed"
else:
    whole = f"status-{status}"
print(module, whole)
worst = {"passed": 0, "skipped": 1, "failed": 2}
verdicts = {}
if xml:
    for case in tree.fromstring(xml[: xml.rindex(">") + 1]).iter("testcase"):
        # Names of subtests can show an object's address.
        name = re.sub(r"0x[0-9a-f]{6,}", "0x", "_".join(case.get("name", "?").split()))
        if case.find("failure") is not None or case.find("error") is not None:
            verdict = "failed"
        else:
            verdict = "skipped" if case.find("skipped") is not None else "passed"
        if worst[verdict] >= worst[verdicts.get(name, "passed")]:
            verdicts[name] = verdict
for name, verdict in sorted(verdicts.items()):
    print(name, verdict)
