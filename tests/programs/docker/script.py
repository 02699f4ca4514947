#!/usr/bin/python3 -I
import os, sys
print(os.uname().machine, os.getuid(), os.environ["GREETING"], sys.argv[1:])
