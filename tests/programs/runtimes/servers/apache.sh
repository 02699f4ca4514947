# Apache with threads (event), with processes (prefork), CGI, a graceful restart; by its own service script.
mkdir -p /var/www/html && seq 5000 >/var/www/html/seq; sed -i 's/^Listen 80$/Listen 8090/' /etc/apache2/ports.conf; echo 'ServerName localhost' >/etc/apache2/conf-enabled/name.conf
mkdir -p /usr/lib/cgi-bin; printf '#!/bin/sh\necho Content-Type: text/plain; echo; echo "$REQUEST_METHOD $QUERY_STRING"; uname -s\n' >/usr/lib/cgi-bin/t; chmod 755 /usr/lib/cgi-bin/t
load() { ab -q "$@" 2>&1 | grep -E '^(Complete|Failed|Non-2xx)'; }
for mpm in event prefork; do
    a2dismod -q -f mpm_event mpm_prefork cgid cgi >/dev/null 2>&1; a2enmod -q mpm_$mpm >/dev/null; [ $mpm = event ] && a2enmod -q cgid >/dev/null || a2enmod -q cgi >/dev/null
    /etc/init.d/apache2 start >/dev/null 2>&1; echo "$mpm start $?"; sleep 1
    load -n 1000 -c 10 http://127.0.0.1:8090/seq; load -n 500 -c 5 -k http://127.0.0.1:8090/seq; load -n 30 -c 5 http://127.0.0.1:8090/cgi-bin/t
    curl -s 'http://127.0.0.1:8090/cgi-bin/t?a=1'; curl -s http://127.0.0.1:8090/seq | sha256sum; curl -so /dev/null -w '%{http_code}\n' http://127.0.0.1:8090/none
    apachectl graceful 2>/dev/null; echo "graceful $?"; sleep 1; load -n 100 -c 5 http://127.0.0.1:8090/seq
    /etc/init.d/apache2 stop >/dev/null 2>&1; echo "stop $?"; n=0; while pgrep apache2 >/dev/null && [ $n -lt 100 ]; do sleep 0.1; n=$((n + 1)); done; pgrep -c apache2
done
grep -E 'exit signal|child died|AH00052' /var/log/apache2/error.log; :
