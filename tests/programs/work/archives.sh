# tar with every compressor, there and back; names, modes, links, sparse files, xattr-free; sums of what must be the same everywhere.
mkdir -p tree/d1/d2; i=0
while [ $i -lt 120 ]; do seq $i $((i * 37)) >"tree/d1/file $i"; i=$((i + 1)); done
awk 'BEGIN { x = 1; for (i = 0; i < 300000; i++) { x = (x * 16807) % 2147483647; printf "%c", 32 + x % 95 } }' >tree/random
ln -s ../random tree/d1/link; ln tree/random tree/d1/d2/hard; truncate -s 3M tree/sparse; echo end >>tree/sparse; chmod 640 tree/random; : >tree/empty; mkfifo tree/fifo
find tree -exec touch -h -d '2024-01-01 00:00:00 UTC' {} +
list() { (cd "$1" && find . -printf '%p %y %m %s %l %TY-%Tm-%Td\n' | grep -v ' d ' | sort; find . -type f -exec sha256sum {} + | sort -k2); }
list tree | sha256sum; list tree | tail -n 3
tar --sort=name --owner=0 --group=0 --numeric-owner --format=gnu -cf a.tar tree; sha256sum <a.tar
tar --sort=name --owner=0 --group=0 --numeric-owner --format=posix --pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime -cf p.tar tree; sha256sum <p.tar; tar -S -cf s.tar tree
for z in gzip:-6n bzip2:-9 xz:-6 xz:-T2 zstd:-3 zstd:-19 zstd:-T2; do
    p=${z%:*} o=${z#*:}
    $p $o -c a.tar >a.$p && $p -t a.$p 2>/dev/null && printf '%s %s ' $p $o && sha256sum <a.$p
    rm -rf out; mkdir out; $p -dc a.$p | tar -C out -xf - && list out/tree | sha256sum
done
rm -rf out; mkdir out; tar -C out -S -xf s.tar && list out/tree | sha256sum; du -k out/tree/sparse | cut -f1
for o in -z -j -J --zstd; do tar $o -cf b.tar tree && rm -rf out && mkdir out && tar $o -C out -xf b.tar && cmp out/tree/random tree/random && tar $o -tvf b.tar | wc -l; done
head -c 1000 a.gzip | gzip -dc >/dev/null 2>&1; echo "truncated $?"; printf 'x' | dd of=a.xz bs=1 seek=5000 conv=notrunc 2>/dev/null; xz -t a.xz 2>/dev/null; echo "damaged $?"
cksum a.tar; md5sum a.tar | cut -c1-32; b2sum a.tar | cut -c1-32; split -b 100000 -d a.tar part && cat part* | cmp - a.tar && ls part* | wc -l; od -An -tx1 -N32 a.tar; sort -R --random-source=a.tar tree/d1/'file 9' | sha256sum
tar -C tree -cf - . | tar -C out -xf - --strip-components=1 d1 2>/dev/null; dd if=a.tar bs=7777 count=9 skip=3 2>/dev/null | base64 -w0 | sha256sum
