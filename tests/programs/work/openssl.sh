# Digests, ciphers (AES-GCM by CMS, since enc has no AEAD), RSA, EC, Ed25519, with fixed keys where the output is shown.
awk 'BEGIN { for (i = 0; i < 40000; i++) printf "%c%d", 33 + i % 90, i * i }' >data; wc -c <data
for d in md5 sha1 sha224 sha256 sha384 sha512 sha512-256 sha3-256 sha3-512 shake128 blake2b512 blake2s256 sm3 ripemd160; do
    case $d in shake128) x='-xoflen 32' ;; *) x= ;; esac
    printf '%s ' $d; openssl dgst -$d $x -r data | cut -d' ' -f1
done
openssl dgst -sha256 -hmac key -r data; openssl mac -macopt cipher:AES-128-CBC -macopt hexkey:00112233445566778899aabbccddeeff -in data CMAC
openssl mac -macopt digest:SHA512 -macopt hexkey:00ff -in data HMAC; openssl mac -macopt cipher:AES-256-GCM -macopt hexiv:000102030405060708090a0b -macopt hexkey:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f -in data GMAC
K=000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f IV=f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff
for c in aes-128-cbc aes-256-cbc aes-256-ctr aes-192-ecb aes-128-cfb aes-256-ofb chacha20 camellia-256-cbc aria-128-ctr sm4-cbc; do
    n=$(echo $c | grep -oE '128|192|256'); k=$(printf '%s' $K | cut -c1-$((${n:-256} / 4))); case $c in sm4*) k=$(printf '%s' $K | cut -c1-32) ;; esac
    case $c in *ecb) iv= ;; *) iv="-iv $IV" ;; esac
    openssl enc -$c -K $k $iv -in data -out enc && openssl enc -d -$c -K $k $iv -in enc | cmp - data && printf '%s ' $c && sha256sum <enc
done
openssl enc -aes-256-cbc -pbkdf2 -iter 20000 -S 0011223344556677 -pass pass:x -in data | sha256sum
openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 10 -subj /CN=localhost 2>/dev/null && openssl x509 -in cert.pem -noout -subject
for c in aes-128-gcm aes-256-gcm; do
    openssl cms -encrypt -binary -$c -in data -outform DER -out cms cert.pem && openssl cms -decrypt -inform DER -in cms -inkey key.pem | cmp - data && echo "$c round trip"
    printf '\377' | dd of=cms bs=1 seek=$(($(wc -c <cms) - 30)) conv=notrunc 2>/dev/null; openssl cms -decrypt -inform DER -in cms -inkey key.pem >/dev/null 2>&1 && echo "forgery accepted"
done
openssl rsa -in key.pem -pubout -out pub.pem 2>/dev/null
echo secret >s; openssl pkeyutl -encrypt -pubin -inkey pub.pem -pkeyopt rsa_padding_mode:oaep -in s -out e && openssl pkeyutl -decrypt -inkey key.pem -pkeyopt rsa_padding_mode:oaep -in e
openssl dgst -sha256 -sign key.pem -out sig data && openssl dgst -sha256 -verify pub.pem -signature sig data
for a in 'EC -pkeyopt ec_paramgen_curve:P-256' 'EC -pkeyopt ec_paramgen_curve:P-521' ED25519 ED448; do
    openssl genpkey -algorithm $a -out k.pem && openssl pkey -in k.pem -pubout -out p.pem && openssl pkeyutl -sign -inkey k.pem -rawin -in data -out g && openssl pkeyutl -verify -pubin -inkey p.pem -rawin -in data -sigfile g
done
for i in 1 2; do openssl genpkey -algorithm X25519 -out x$i.pem; openssl pkey -in x$i.pem -pubout -out y$i.pem; done
openssl pkeyutl -derive -inkey x1.pem -peerkey y2.pem -out d1 && openssl pkeyutl -derive -inkey x2.pem -peerkey y1.pem -out d2 && cmp d1 d2 && wc -c <d1
openssl kdf -keylen 32 -kdfopt digest:SHA256 -kdfopt hexkey:0b0b0b0b -kdfopt hexsalt:000102 -kdfopt hexinfo:f0f1 HKDF; openssl passwd -6 -salt abcdefgh secret
openssl rand 100000 | wc -c; openssl prime 1000003 ; openssl prime -generate -bits 256 -hex | wc -c; openssl base64 -in data | tail -n 1; openssl asn1parse -in cert.pem | grep -c OBJECT
