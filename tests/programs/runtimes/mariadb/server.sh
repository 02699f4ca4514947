# limit: 600
# MariaDB: a data directory made, tables of three engines, transactions from several clients, deadlocks, a dump, kill -9 and recovery.
mkdir d && chown mysql d && chmod 755 .
S="--no-defaults --datadir=$PWD/d --socket=/tmp/s --user=mysql --pid-file=$PWD/d/pid --port=3307 --bind-address=127.0.0.1 --innodb-buffer-pool-size=32M --thread-stack=512K"
mariadb-install-db --no-defaults --datadir="$PWD/d" --user=mysql --skip-test-db --force >install.log 2>&1; echo "made $?"
sql() { mariadb --no-defaults --socket=/tmp/s -N -B "$@"; }
up() { mariadbd $S "$@" >>d.log 2>&1 & pid=$!; n=0; until mariadb-admin --no-defaults --socket=/tmp/s ping >/dev/null 2>&1 || [ $n = 300 ]; do sleep 0.2; n=$((n + 1)); done; [ $n -lt 300 ] || { tail -n 20 d.log >&2; exit 1; }; }
up; sql -e "create database t" && for e in InnoDB Aria MyISAM; do sql t -e "create table $e (i int primary key, s varchar(40), k int, d decimal(20,6), j json, key(k)) engine=$e; insert into $e select seq, md5(seq), seq * 7919 % 10007, seq / 7, json_object('a', seq) from seq_1_to_20000; select count(*), sum(k), sum(d), min(s), max(json_value(j, '$.a')) from $e; select k % 5, count(*), avg(d) from $e group by 1 order by 1; select count(*) from $e a join $e b on a.k = b.i"; done
sql t -e "select 0.1e0 + 0.2e0, pow(2.5e0, 0.3e0), sin(1e0), 1 / 3, sha2('x', 256), crc32('run'), hex(aes_encrypt('a', 'k')), to_base64(compress(repeat('x', 1000))) is not null, regexp_replace('abc123', '[0-9]+', '#'), uuid() <> uuid(), inet6_ntoa(inet6_aton('::1')), st_distance(point(0, 0), point(3, 4))"
sql t -e "with recursive f(n, a, b) as (select 1, 0, 1 union all select n + 1, b, a + b from f where n < 50) select max(a) from f; select s, row_number() over (order by s), sum(i) over (order by i rows 3 preceding) from InnoDB where i <= 4 order by i"
printf 'create table c (n int) engine=InnoDB; insert into c values (0);\ndelimiter //\ncreate procedure p(m int) begin declare i int default 0; declare continue handler for 1213, 1205, 1020 set i = i - 1; while i < m do set i = i + 1; update c set n = n + 1; end while; end //\n' | sql t
for i in 1 2 3 4; do sql t -e 'call p(150)' & clients="$clients $!"; done; wait $clients; sql t -e 'select n from c'
mariadb-slap --no-defaults --socket=/tmp/s --concurrency=8 --iterations=2 --auto-generate-sql --auto-generate-sql-load-type=mixed --number-of-queries=1600 >slap 2>&1; echo "load $?"; grep -c 'Average number of seconds' slap
sql t -e 'create table a (i int primary key, v int) engine=InnoDB; insert into a values (1, 0), (2, 0)'
(echo 'begin; update a set v = 1 where i = 1; do sleep(1); update a set v = 1 where i = 2; commit;' | sql t 2>&1) >x1 & one=$!; (echo 'begin; update a set v = 2 where i = 2; do sleep(1); update a set v = 2 where i = 1; commit;' | sql t 2>&1) >x2; wait $one; cat x1 x2 | grep -c Deadlock
mariadb-dump --no-defaults --socket=/tmp/s --skip-dump-date --skip-comments t InnoDB | grep -v '^/\*' | sha256sum
sql t -e 'insert into c select seq from seq_1_to_5000'; kill -9 $pid; wait $pid 2>/dev/null; up; sql t -e 'select count(*), sum(n) from c; check table InnoDB, Aria' ; grep -q 'crash recovery' d.log && echo recovered
sql -h 127.0.0.1 -P 3307 --protocol=tcp -e 'select 1' 2>&1 | grep -oE '^1$|denied'; mariadb-admin --no-defaults --socket=/tmp/s shutdown; wait $pid; echo "stopped $?"; grep -iE 'signal|assert|corrupt' d.log; :
