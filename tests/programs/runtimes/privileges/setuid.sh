# su, sudo and other programs with the set-user-ID bit or file capabilities, started by a normal user: what they may do and what they see.
useradd -m u1 2>/dev/null; useradd -m u2 2>/dev/null; echo 'u1:secret' | chpasswd; chmod 777 .
echo 'u1 ALL=(u2) NOPASSWD: ALL
u1 ALL=(root) NOPASSWD: /usr/bin/id, /bin/sh, SETENV: /usr/bin/env' >/etc/sudoers.d/u1; chmod 440 /etc/sudoers.d/u1; visudo -cq; echo "sudoers $?"
as() { setpriv --reuid u1 --regid u1 --init-groups env HOME=/home/u1 USER=u1 PATH="$PATH" "$@"; echo "status $?"; }
names() { sed 's/[0-9]\{4,\}/N/g'; }
as id -un
as sudo id | names; as sudo -u u2 id -un; as sudo -u u2 sh -c 'echo $SUDO_USER $HOME; whoami; exit 4'; as sudo -n /usr/bin/touch /x 2>&1 | grep -o 'password is required'; as sudo FOO=bar env 2>/dev/null | grep -E '^(FOO|SUDO_USER|LOGNAME)'; as sudo -l 2>/dev/null | grep -c NOPASSWD
as sudo sh -c 'grep -E "^(Uid|CapEff):" /proc/self/status | tr -s "\t" " " | sed "s/[0-9a-f]\{16\}/CAPS/"; readlink /proc/self/exe; test -w /etc/shadow; echo $?'
su u1 -c 'id -un; echo $HOME; exit 6'; echo "su $?"; su - u1 -c 'pwd; ulimit -c'; echo secret | as su u1 -c 'id -un' 2>/dev/null; echo wrong | as su root -c id 2>&1 | grep -o 'Authentication failure'
runuser -u u2 -- id -un; setpriv --reuid u2 --clear-groups --no-new-privs sudo id 2>&1 | grep -o 'no new privileges'
as ping -c 2 -i 0.2 -q 127.0.0.1 | grep -o '2 received'; getcap /usr/bin/ping | grep -c cap_net_raw; as passwd -S u1 2>/dev/null | awk '{print $1, $2}'; as chage -l u1 2>/dev/null | head -n 1 | cut -c1-20; as newgrp u1 </dev/null
cat >s.c <<'C'
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <unistd.h>
int main(int c, char **v) { uid_t r, e, s; getresuid(&r, &e, &s); printf("%d %d %d secure %lu preload %s dumpable %d shadow %d\n", r != 0, e != 0, s != 0, getauxval(AT_SECURE), getenv("LD_PRELOAD") ? "kept" : "gone", prctl(PR_GET_DUMPABLE) , open("/etc/shadow", O_RDONLY) >= 0);
    if (c > 1) { if (setuid(getuid())) perror("setuid"); execl("/proc/self/exe", v[0], (char *)0); } return 0; }
C
gcc s.c -o s && cp s sroot && chmod 4755 sroot && cp s su2 && chown u2:u2 su2 && chmod 6755 su2 && cp s scap && setcap cap_dac_read_search+ep scap; gcc -static s.c -o sstatic && chmod 4755 sstatic
for p in s sroot su2 scap sstatic; do echo $p; as env LD_PRELOAD=/nonexistent.so LD_DEBUG=files LD_LIBRARY_PATH=/tmp ./$p 2>/dev/null; as ./$p again; setpriv --reuid u1 --clear-groups --no-new-privs ./$p; done
printf '#!%s/sroot\n' "$PWD" >script; chmod 4755 script; as ./script
mkdir m && mount -t tmpfs -o nosuid,mode=755 t m && cp sroot m/ && chmod 4755 m/sroot && as m/sroot; umount m; sudo -u u2 -s true 2>/dev/null; userdel u1; userdel u2; :
