# limit: 1200
# Debian packages from source by dpkg-buildpackage, with debhelper, autotools and the packages' own tests; built, compared by their lists, installed, used, removed.
chown nobody . && export DEB_BUILD_OPTIONS=parallel=4
for p in figlet libyaml; do
    setpriv --reuid nobody --clear-groups dpkg-source -x /usr/src/$p*.dsc $p >log 2>&1 || { echo "$p: not unpacked"; tail -n 5 log; continue; }
    (cd $p && setpriv --reuid nobody --clear-groups dpkg-buildpackage -us -uc -b >../$p.log 2>&1; echo "$p built $?"); grep -E '^# (TOTAL|PASS|FAIL|ERROR):' $p.log; tail -n 3 $p.log >&2
done
arch=$(dpkg --print-architecture) triplet=$(dpkg-architecture -qDEB_HOST_MULTIARCH)
for d in *.deb; do echo "$d" | sed "s/$arch/ARCH/"; dpkg-deb -c "$d" | awk '{print $1, $2, $6, $7, $8}' | sed "s/$triplet/TRIPLET/g" | grep -vE '\.build-id|/html/.' | sort -k3; dpkg-deb -f "$d" Package Version Depends Multi-Arch | sed 's/libc6 (>= [0-9.]*)/libc6/'; done
for d in figlet libyaml-0-2; do dpkg-deb --fsys-tarfile ${d}_*_"$arch".deb | tar -xO --wildcards './usr/share/doc/*/changelog*' | sha256sum; done
dpkg -i figlet_*.deb libyaml-*.deb libyaml-dev*.deb >log 2>&1; echo "installed $?"; figlet-figlet arm; echo foreign | figlet -f slant; dpkg -V figlet libyaml-0-2 libyaml-dev; echo "verified $?"
printf '#include <yaml.h>\n#include <stdio.h>\nint main(void) { yaml_parser_t p; yaml_event_t e; int n = 0, t = 0; yaml_parser_initialize(&p); yaml_parser_set_input_file(&p, stdin); do { if (!yaml_parser_parse(&p, &e)) return 2; t = e.type; n += t; yaml_event_delete(&e); } while (t != YAML_STREAM_END_EVENT); printf("%%d %%s\\n", n, yaml_get_version_string()); return 0; }\n' >y.c
gcc y.c -o y -lyaml && printf 'a: [1, 2, {b: c}]\nd: |\n  text\n' | ./y; dpkg -P $(dpkg-query -W -f '${Package}\n' 'figlet*' 'libyaml-*') >log 2>&1; echo "removed $?"; command -v figlet; dpkg --audit
