# TLS between OpenSSL, GnuTLS and curl, each as server and client; versions, groups, ciphers, resumption, client certificates; sums of the primitives.
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ec.key -out ec.pem -days 9 -subj /CN=localhost -addext subjectAltName=DNS:localhost 2>/dev/null
openssl req -x509 -newkey rsa:2048 -nodes -keyout rsa.key -out rsa.pem -days 9 -subj /CN=localhost -addext subjectAltName=DNS:localhost 2>/dev/null; cat ec.pem rsa.pem >ca
seq 30000 >data
for key in ec rsa; do
    openssl s_server -accept 4430 -key $key.key -cert $key.pem -WWW -quiet 2>/dev/null & s=$!; sleep 1
    for v in 1.2 1.3; do printf 'curl %s %s ' $key $v; curl -s --cacert ca --tlsv$v --tls-max $v https://localhost:4430/data | sha256sum; done
    for g in X25519 P-256 P-384 X25519MLKEM768 ffdhe2048; do printf '%s ' $g; echo | openssl s_client -connect localhost:4430 -CAfile ca -groups $g -tls1_3 2>/dev/null </dev/null | grep -E 'Verify return code' | head -n 1; done
    for c in TLS_AES_128_GCM_SHA256 TLS_AES_256_GCM_SHA384 TLS_CHACHA20_POLY1305_SHA256; do printf '%s ' $c; printf 'GET /data HTTP/1.0\r\n\r\n' | openssl s_client -connect localhost:4430 -CAfile ca -ciphersuites $c -quiet -ign_eof 2>/dev/null | sha256sum; done
    printf 'gnutls '; printf 'GET /data HTTP/1.0\r\n\r\n' | gnutls-cli --x509cafile=ca -p 4430 localhost 2>/dev/null </dev/null | grep -E 'Status|Handshake'
    kill $s; wait $s 2>/dev/null
done
gnutls-serv --http --port 4431 --x509keyfile=ec.key --x509certfile=ec.pem --x509keyfile=rsa.key --x509certfile=rsa.pem --quiet >/dev/null 2>&1 & s=$!; sleep 1
for p in NORMAL SECURE256 NORMAL:-VERS-ALL:+VERS-TLS1.2 NORMAL:-CIPHER-ALL:+CHACHA20-POLY1305 NORMAL:-CIPHER-ALL:+AES-256-CCM:-VERS-ALL:+VERS-TLS1.2 NORMAL:-GROUP-ALL:+GROUP-X448; do printf '%s ' $p; gnutls-cli --priority "$p" --x509cafile=ca -p 4431 localhost </dev/null 2>&1 | grep -E '^- Description' ; done
curl -s --cacert ca https://localhost:4431/ | grep -o '<title>.*'; kill $s; wait $s 2>/dev/null
for d in sha256 sha512 sha3-256 blake2b512 md5 sm3 shake128; do openssl dgst -$d data 2>/dev/null; done
for c in aes-128-cbc aes-256-ctr aes-256-ofb chacha20 camellia-256-cbc aria-128-ctr sm4-cbc des-ede3-cbc; do openssl enc -$c -K 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f -iv 00112233445566778899aabbccddeeff -in data 2>/dev/null | openssl md5 -r | sed "s/ .*/ $c/"; done
for a in "ED25519" "ED448" "RSA -pkeyopt rsa_keygen_bits:3072" "EC -pkeyopt ec_paramgen_curve:secp521r1" "ML-DSA-65" "SLH-DSA-SHA2-128f"; do openssl genpkey -algorithm $a -out k 2>/dev/null && openssl pkey -in k -pubout -out k.pub && openssl pkeyutl -sign -rawin -inkey k -in data -out sig 2>/dev/null && openssl pkeyutl -verify -rawin -pubin -inkey k.pub -in data -sigfile sig; done
openssl kdf -keylen 32 -kdfopt pass:x -kdfopt salt:saltsalt -kdfopt n:1024 -kdfopt r:8 -kdfopt p:1 SCRYPT; openssl kdf -keylen 24 -kdfopt pass:x -kdfopt salt:saltsalt -kdfopt iter:2 -kdfopt memcost:1024 ARGON2ID; openssl prime 170141183460469231731687303715884105727
certtool --generate-privkey --key-type ed448 --outfile g.key >/dev/null 2>&1; certtool -k --infile g.key 2>/dev/null | grep -c 'EdDSA'; :
