# sshd on loopback: key authentication, commands, a terminal, every cipher and key exchange, scp, sftp, rsync over it, forwarding, a master connection.
. /srv/network/sshd.inc
$SSH 'echo over ssh; id -un; exit 5'; echo "status $?"
seq 300000 | $SSH 'sha256sum'; $SSH 'seq 200000' | sha256sum
$SSH -tt 'tty | sed "s/[0-9]*$/N/"; stty size; kill -TERM $$' </dev/null 2>/dev/null | tr -d '\r'; echo "status $?"
for c in $(ssh -Q cipher | grep -vE 'cbc'); do printf '%s ' "$c"; seq 1000 | $SSH -c "$c" cksum 2>&1; done
for k in $(ssh -Q kex | grep -vE 'sha1'); do printf '%s ' "$k"; $SSH -o KexAlgorithms="$k" echo yes 2>&1; done
for h in ssh-ed25519 rsa-sha2-512 rsa-sha2-256 ecdsa-sha2-nistp256; do printf '%s ' $h; $SSH -o HostKeyAlgorithms=$h echo yes 2>&1; done
head -c 3000000 /dev/urandom >blob; scp -q -P 2200 $OPT blob root@127.0.0.1:"$PWD/copy" && cmp blob copy; echo "scp $?"; scp -qO -P 2200 $OPT root@127.0.0.1:"$PWD/blob" old && cmp blob old; echo "old scp $?"
printf 'mkdir d\nput blob d/x\nrename d/x d/y\nls -1 d\nrm d/y\nrmdir d\n' | sed "s|d/|$PWD/d/|g; s| d\$| $PWD/d|" | sftp -q -b - -P 2200 $OPT root@127.0.0.1 2>&1 | grep -v '^sftp>' | sed "s|$PWD||"
mkdir -p src/a; seq 5000 >src/a/seq; ln -s a/seq src/link; ln src/a/seq src/hard; cp blob src/
rsync -aHe "ssh -p 2200 $OPT" src/ root@127.0.0.1:"$PWD/dst/"; echo "rsync $?"; diff -r src dst && stat -c '%h %n' dst/hard
printf change | dd of=src/blob bs=1 seek=1000000 conv=notrunc 2>/dev/null; touch -d "2030-01-01" src/blob; rsync -aH --stats -e "ssh -p 2200 $OPT" src/ root@127.0.0.1:"$PWD/dst/" | grep -E '^(Matched data|Number of regular files transferred)' | sed 's/Matched data: [1-9].*/matched/'; cmp src/blob dst/blob
$SSH -N -L 2300:127.0.0.1:2200 & f=$!; sleep 2; ssh -p 2300 $OPT root@127.0.0.1 echo forwarded; kill $f; wait $f 2>/dev/null
$SSH -M -S "$PWD/ctl" -N -f; for i in 1 2 3 4 5 6; do $SSH -S "$PWD/ctl" echo $i >m$i & done; sleep 2; wait $!; cat m?; $SSH -S "$PWD/ctl" -O exit 2>&1
ssh -p 2200 $OPT -i nokey -o IdentitiesOnly=yes -o IdentityFile=none root@127.0.0.1 true 2>&1 | grep -o 'Permission denied'
eval "$(ssh-agent)" >/dev/null; ssh-add -q key; ssh-add -l | awk '{print $NF}'; ssh-keygen -Y sign -f key -n file blob 2>/dev/null; printf 'me %s\n' "$(cat key.pub)" >signers; ssh-keygen -Y verify -f signers -I me -n file -s blob.sig <blob | grep -o '^Good'; ssh-agent -k >/dev/null
kill "$(cat sshd.pid)"; sleep 0.5; grep -iE 'fatal|segfault|sandbox' sshd.log; pgrep -c sshd; :
