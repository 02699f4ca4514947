# A service under /etc/init.d without systemd: start-stop-daemon with pid files, users, --retry, notification by the file that is running.
useradd -r svc 2>/dev/null; chmod 777 .
cat >/usr/local/bin/beat <<'S'
#!/bin/sh
trap 'echo bye >>"$1"; exit 0' TERM; trap 'echo reloaded >>"$1"' HUP
echo "up $(id -un)" >>"$1"
while :; do sleep 0.1; done
S
chmod 755 /usr/local/bin/beat
cat >/etc/init.d/beat <<'S'
#!/bin/sh
### BEGIN INIT INFO
# Provides: beat
# Required-Start: $remote_fs
# Required-Stop: $remote_fs
# Default-Start: 2 3 4 5
# Default-Stop: 0 1 6
### END INIT INFO
. /lib/lsb/init-functions 2>/dev/null
P=/run/beat.pid; L=/tmp/run/beat.log
case $1 in
start) start-stop-daemon --start --quiet --background --make-pidfile --pidfile $P --chuid svc --startas /usr/local/bin/beat -- $L ;;
stop) start-stop-daemon --stop --quiet --retry TERM/5/KILL/5 --pidfile $P --remove-pidfile ;;
reload) start-stop-daemon --stop --signal HUP --quiet --pidfile $P ;;
status) start-stop-daemon --status --pidfile $P ;;
esac
S
chmod 755 /etc/init.d/beat; s=/etc/init.d/beat
$s status; echo "status $?"; $s start; echo "start $?"; sleep 0.7; $s status; echo "status $?"; $s start; echo "again $?"; $s reload; echo "reload $?"; sleep 0.5; $s stop; echo "stop $?"; $s stop; echo "again $?"; $s status; echo "status $?"; cat beat.log
cp /bin/sleep ./napper; start-stop-daemon --start --background --exec "$PWD/napper" -- 50; sleep 0.3; start-stop-daemon --status --exec "$PWD/napper"; echo "by file $?"; start-stop-daemon --status --name napper; echo "by name $?"; pgrep -x napper | wc -l; pidof napper | wc -w; ps -C napper -o comm=,args= | sed "s|$PWD||"
readlink "/proc/$(pgrep -x napper)/exe" | sed "s|$PWD||"; tr '\0' ' ' <"/proc/$(pgrep -x napper)/cmdline" | sed "s|$PWD||"; echo; grep -E '^(Name|State|Threads)' "/proc/$(pgrep -x napper)/status"; cat "/proc/$(pgrep -x napper)/comm"; cut -d' ' -f2,3 "/proc/$(pgrep -x napper)/stat"; awk '{print $6}' "/proc/$(pgrep -x napper)/maps" | grep -v '^$' | sort -u | grep -c . >/dev/null; killall -q napper 2>/dev/null || pkill -x napper; sleep 0.2; start-stop-daemon --stop --exec "$PWD/napper" --oknodo --quiet; echo "gone $?"
start-stop-daemon --start --exec "$PWD/napper" --nicelevel 5 --chdir /tmp --umask 077 --test -- 5 | sed "s|$PWD||"; start-stop-daemon --stop --exec "$PWD/napper" --quiet; echo "none $?"; userdel svc; :
