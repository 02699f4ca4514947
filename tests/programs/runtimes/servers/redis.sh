# Redis: snapshots by fork, the append-only file, scripts, a replica; its benchmark; what it says of itself.
export PATH=$PATH:/usr/bin; cli() { redis-cli -p 7001 "$@"; }
mkdir a b
redis-server --port 7001 --dir a --daemonize yes --logfile log --appendonly yes --save '60 1' --pidfile pid --io-threads 2 >/dev/null; n=0
until cli ping 2>/dev/null | grep -q PONG || [ $n = 100 ]; do sleep 0.1; n=$((n + 1)); done
redis-benchmark -p 7001 -n 3000 -c 20 -P 4 -q -t set,get,incr,lpush,rpop,sadd,hset,zadd,mset,lrange_100 2>&1 | tr '\r' '\n' | awk -F: '/requests per second/ {print $1}' | sort -u
cli flushall
i=0; while [ $i -lt 500 ]; do echo "set k$i $i"; echo "zadd z $i m$i"; i=$((i + 1)); done | cli | sort | uniq -c
cli eval 'local s = 0; for i = 1, 200 do s = s + (tonumber(redis.call("get", "k" .. i)) or 0) end return s' 0
cli setrange big 20000000 x; cli pfadd h a b c; cli pfcount h; cli geoadd g 13.36 38.11 P 15.08 37.50 C; cli geodist g P C; cli dbsize
cli bgsave; n=0; while cli info persistence | grep -q rdb_bgsave_in_progress:1 && [ $n -lt 200 ]; do sleep 0.1; n=$((n + 1)); done
cli info persistence | tr -d '\r' | grep -E '^(rdb_last_bgsave_status|aof_last_bgrewrite_status|aof_enabled)'
cli bgrewriteaof; n=0; sleep 0.3; while cli info persistence | grep -qE 'aof_rewrite_in_progress:1|aof_rewrite_scheduled:1' && [ $n -lt 200 ]; do sleep 0.1; n=$((n + 1)); done
cli info | tr -d '\r' | grep -E '^(redis_version|redis_mode|arch_bits|multiplexing_api|monotonic_clock|mem_allocator|role|cluster_enabled|atomicvar_api)' | sed 's/ARM CNTVCT.*/a counter/; s/X86 TSC.*/a counter/; s/POSIX clock_gettime/a counter/'
redis-server --port 7002 --dir b --daemonize yes --logfile log --replicaof 127.0.0.1 7001 >/dev/null; n=0
until redis-cli -p 7002 info replication 2>/dev/null | grep -q master_link_status:up || [ $n = 200 ]; do sleep 0.1; n=$((n + 1)); done
redis-cli -p 7002 get k77; redis-cli -p 7002 set x y; redis-cli -p 7002 shutdown nosave
kill -9 "$(cat a/pid)"; sleep 0.3
redis-server --port 7001 --dir a --daemonize yes --logfile log --appendonly yes >/dev/null; n=0
until cli ping 2>/dev/null | grep -q PONG || [ $n = 200 ]; do sleep 0.1; n=$((n + 1)); done
cli get k499; cli zscore z m3; cli dbsize; cli debug jmap 2>/dev/null | head -c 0; cli shutdown; echo "stopped $?"
redis-check-rdb a/dump.rdb | grep -o 'RDB looks OK'; grep -cE 'crash|Guru|SIGSEGV' a/log b/log; :
