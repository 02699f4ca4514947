# memcached with four threads, from several clients at once; its sums are right.
memcached -u nobody -l 127.0.0.1 -p 11300 -t 4 -m 32 & pid=$!
n=0; until bash -c 'exec 3<>/dev/tcp/127.0.0.1/11300' 2>/dev/null || [ $n = 100 ]; do sleep 0.1; n=$((n + 1)); done
cat >client <<'B'
exec 3<>/dev/tcp/127.0.0.1/11300
for i in {1..200}; do printf 'set k%d.%d 0 0 5\r\n%05d\r\nincr n 1\r\n' "$1" $i $i >&3; read -r a <&3; read -r b <&3; [ "$a" = $'STORED\r' ] || echo "$a $b"; done
for i in {1..200}; do printf 'get k%d.%d\r\n' "$1" $i >&3; read -r _ <&3; read -r v <&3; read -r _ <&3; [ "$v" = "$(printf %05d $i)"$'\r' ] || echo "$v"; done
B
bash -c 'exec 3<>/dev/tcp/127.0.0.1/11300; printf "set n 0 0 1\r\n0\r\n" >&3; read -r a <&3; echo "$a"'
for c in 1 2 3 4; do bash client $c & clients="$clients $!"; done; wait $clients
bash -c 'exec 3<>/dev/tcp/127.0.0.1/11300; printf "get n\r\nstats\r\nquit\r\n" >&3; cat <&3' | tr -d '\r' | grep -E '^([0-9]|STAT (cmd_set|get_misses|threads|curr_items|pointer_size) )'
kill $pid; wait $pid; echo "stopped $?"
