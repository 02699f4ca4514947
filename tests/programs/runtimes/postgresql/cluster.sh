# limit: 400
# A cluster made, loaded, queried in parallel, stressed, stopped, killed and recovered.
mkdir -p /tmp/pg && chown postgres /tmp/pg; cd /tmp/pg
PB=$(echo /usr/lib/postgresql/*/bin)
su postgres -s /bin/sh -c "
cd /tmp/pg; export PATH=$PB:\$PATH
rm -rf d; initdb -D d -A trust -E UTF8 --locale=C >init.log 2>&1; echo initdb \$?
echo \"fsync=on
max_parallel_workers_per_gather=2
unix_socket_directories='/tmp/pg'
listen_addresses='127.0.0.1'\" >> d/postgresql.conf
pg_ctl -D d -w -t 60 -l log start >/dev/null; echo start \$?
psql -h /tmp/pg -X -At -c 'create table t as select i, md5(i::text) s, (i*7919)%10007 k from generate_series(1,200000) i' -c 'create index on t(k)' -c 'analyze t' postgres
psql -h /tmp/pg -X -At postgres <<'S'
set min_parallel_table_scan_size=0; set parallel_setup_cost=0; set parallel_tuple_cost=0;
explain (costs off) select k%10, count(*), sum(i), min(s) from t group by 1 order by 1;
select k%10, count(*), sum(i), min(s) from t group by 1 order by 1;
select count(*) from t a join t b on a.k=b.i;
S
psql -h 127.0.0.1 -X -At -c 'show server_version' -c \"select version() ~ 'linux'\" postgres
pgbench -h /tmp/pg -i -s 2 postgres >/dev/null 2>&1; echo pgbench -i \$?
pgbench -h /tmp/pg -c 4 -j 2 -T ${T:-30} postgres > bench.log 2>&1; echo pgbench \$?; grep -E 'failed|aborted' bench.log
psql -h /tmp/pg -X -At -c 'select sum(abalance)=(select sum(bbalance) from pgbench_branches), sum(abalance)=(select sum(delta) from pgbench_history) from pgbench_accounts' postgres
pg_ctl -D d -m fast -w stop >/dev/null; echo stop \$?
pg_ctl -D d -w -l log start >/dev/null; echo start \$?
psql -h /tmp/pg -X -At -c 'create table u(i int)' postgres
pgbench -n -h /tmp/pg -c 2 -T 5 postgres >/dev/null 2>&1 &
sleep 1; psql -h /tmp/pg -X -At -c 'insert into u select generate_series(1,1000)' postgres
kill -9 \$(head -n 1 d/postmaster.pid); wait; echo killed
sleep 2; pkill -9 -u postgres postgres; rm -f d/postmaster.pid
pg_ctl -D d -w -t 60 -l log start >/dev/null; echo restart \$?
psql -h /tmp/pg -X -At -c 'select count(*), sum(i) from u' -c 'select sum(abalance)=(select sum(delta) from pgbench_history) from pgbench_accounts' postgres
grep -c 'automatic recovery\|not properly shut down' log
pg_ctl -D d -m fast -w stop >/dev/null; echo stop \$?
grep -E 'PANIC|signal 11|terminated by' log
tail -n 3 bench.log >&2
"
