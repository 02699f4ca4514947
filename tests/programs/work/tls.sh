# TLS on loopback with each kind of key: openssl both ways, and Python's ssl.
for key in rsa:2048 ec:P-256 ed25519; do
    case $key in ec:*) new='ec -pkeyopt ec_paramgen_curve:P-256' ;; *) new=$key ;; esac
    openssl req -x509 -newkey $new -nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost 2>/dev/null || echo "no $key"
    for v in -tls1_2 -tls1_3; do
        rm -f accepted
        openssl s_server -accept 127.0.0.1:0 -cert cert.pem -key key.pem -naccept 1 -rev >accepted 2>&1 & s=$!
        i=0; port=; while [ -z "$port" ] && [ $i -lt 200 ]; do port=$(sed -n 's/^ACCEPT 127.0.0.1://p' accepted); [ -n "$port" ] || sleep 0.1; i=$((i + 1)); done
        (echo "hello from $key$v"; sleep 2) | openssl s_client -connect "127.0.0.1:$port" -CAfile cert.pem -servername localhost -verify_return_error $v 2>/dev/null |
            grep -E 'Verify return code|olleh|^New,|morf' | sed 's/^ *//' | sort -u
        kill $s 2>/dev/null; wait $s 2>/dev/null
    done
done
exec python3 -I - <<'P'
import socket, ssl, threading, hashlib
server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER); server.load_cert_chain("cert.pem", "key.pem")
client = ssl.create_default_context(cafile="cert.pem")
data = bytes(i * 7 % 256 for i in range(500000))
listener = socket.create_server(("127.0.0.1", 0))
def serve():
    for _ in ciphers:
        conn, _ = listener.accept()
        try:
            with server.wrap_socket(conn, server_side=True) as s:
                got = b""
                while len(got) < len(data):
                    got += s.recv(70000)
                s.sendall(hashlib.sha256(got).digest())
        except ssl.SSLError as e:
            print("server", e.reason)
ciphers = ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"]
t = threading.Thread(target=serve); t.start()
for c in ciphers:
    with client.wrap_socket(socket.create_connection(listener.getsockname()), server_hostname="localhost") as s:
        s.sendall(data)
        print(s.version(), s.recv(32) == hashlib.sha256(data).digest())
t.join()
P
