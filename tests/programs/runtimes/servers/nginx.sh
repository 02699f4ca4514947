# nginx: four workers, requests by the thousand (kept alive and not), TLS, a proxy, a reload under load, both ways to stop.
mkdir -p www logs; echo hello >www/index.html; head -c 300000 /dev/zero | tr '\0' x >www/big; seq 20000 >www/seq; chmod 755 .
openssl req -x509 -newkey rsa:2048 -nodes -keyout key -out cert -days 2 -subj /CN=localhost 2>/dev/null
cat >conf <<C
worker_processes 4; pid $PWD/pid; error_log $PWD/logs/error warn; user www-data;
events { worker_connections 512; }
http {
    access_log $PWD/logs/access; gzip on; gzip_min_length 100; gzip_types text/plain; sendfile on; tcp_nopush on; keepalive_requests 200;
    default_type text/plain;
    upstream back { server 127.0.0.1:8082; server 127.0.0.1:8083; }
    server { listen 8081; listen 8443 ssl; ssl_certificate $PWD/cert; ssl_certificate_key $PWD/key; root $PWD/www;
             location /back/ { proxy_pass http://back/; } location /old { return 301 /new; } }
    server { listen 8082; listen 8083; location / { return 200 "port \$uri\n"; } }
}
C
nginx -t -c "$PWD/conf" -e logs/start 2>&1 | grep -o 'test is successful'
nginx -c "$PWD/conf" -e logs/start; echo "start $?"
sleep 0.5; pgrep -c nginx
load() { ab -q "$@" 2>&1 | grep -E '^(Complete|Failed|Non-2xx|Document Length)'; }
load -n 2000 -c 20 http://127.0.0.1:8081/
load -n 2000 -c 20 -k http://127.0.0.1:8081/big
load -n 100 -c 5 https://127.0.0.1:8443/
load -n 500 -c 10 http://127.0.0.1:8081/back/x
curl -s http://127.0.0.1:8081/seq | sha256sum; curl -s --compressed http://127.0.0.1:8081/seq | sha256sum; curl -sk --http1.1 https://127.0.0.1:8443/seq | sha256sum
curl -s -r 5-9 http://127.0.0.1:8081/seq | od -An -c; curl -so /dev/null -w '%{http_code} %{redirect_url}\n' http://127.0.0.1:8081/old; curl -so /dev/null -w '%{http_code}\n' http://127.0.0.1:8081/none
ab -q -n 3000 -c 10 http://127.0.0.1:8081/ >under 2>&1 & ab=$!
sleep 0.2; sed -i 's/worker_processes 4/worker_processes 2/; s/port /Port /' conf; kill -HUP "$(cat pid)"; wait $ab; grep -E '^(Complete|Failed)' under
sleep 1.5; pgrep -c nginx; curl -s http://127.0.0.1:8082/x
cp logs/access old; : >logs/access; kill -USR1 "$(cat pid)"; sleep 0.3; curl -so /dev/null http://127.0.0.1:8081/; sleep 0.2; wc -l <logs/access
kill -QUIT "$(cat pid)"; n=0; while pgrep nginx >/dev/null && [ $n -lt 100 ]; do sleep 0.1; n=$((n + 1)); done; pgrep -c nginx
grep -E 'alert|emerg|exited on signal' logs/error logs/start
nginx -c "$PWD/conf"; sleep 0.3; nginx -c "$PWD/conf" -s stop; sleep 1; pgrep -c nginx; :
