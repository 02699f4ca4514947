# CPython: json, re, hashlib, subprocess, threading, multiprocessing and the rest of the library's ties with the system.
python3 -c 'import json, re, hashlib, subprocess, threading, multiprocessing; print(json.dumps({"a": re.findall("b+", "abba"), "h": hashlib.md5(b"x").hexdigest()}))'
cp /tmp/work/python.py tour.py && exec python3 -I tour.py
