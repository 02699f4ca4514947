# (Reals are multiples of 1/1024: SQLite prints by way of long double, which differs between the architectures.)
# 100,000 rows: transactions, indexes, joins, windows, JSON, full text, dump and reload, recovery from a killed writer.
awk 'BEGIN { x = 1; print "create table t(id integer primary key, k int, v real, s text); begin;"
    for (i = 1; i <= 100000; i++) { x = (x * 16807) % 2147483647; printf "insert into t values(%d, %d, %.10f, \x27row %d of %x\x27);\n", i, x % 5000, x / 1024, i, x }
    print "commit; create index tk on t(k, v);" }' >in.sql
sqlite3 a.db <in.sql && sqlite3 a.db <<'S'
pragma integrity_check;
select count(*), sum(k), round(avg(v), 6), min(s), max(s) from t;
select k, count(*) c, round(total(v), 3) from t group by k order by c desc, k limit 10;
select count(*) from t a join t b on a.k = b.k and a.id < b.id and b.id < 3000;
with recursive fib(a, b) as (values(0, 1) union all select b, a + b from fib limit 80) select max(a) from fib;
select id, k, row_number() over (partition by k order by v desc) r from t where k < 3 order by k, r limit 10;
select json_group_array(json_object('id', id, 's', s)) from (select * from t where k = 77 order by id limit 3);
create virtual table f using fts5(s); insert into f select s from t where id % 100 = 0; select count(*) from f where f match '"of" AND 7*';
update t set v = -v where id % 3 = 0; delete from t where k between 100 and 200; select count(*), round(sum(v), 3) from t;
select printf('%.10f %e %,d', 1.0 / 3, 0.125, 1234567);
pragma journal_mode = wal; create table w as select * from t; drop table w; vacuum; pragma integrity_check;
S
echo "sqlite $?"
sqlite3 a.db .dump | sha256sum; sqlite3 a.db .dump | sqlite3 b.db && sqlite3 b.db 'select count(*), sum(k) from t; select sqrt(2), pow(2, 0.5), sin(1), log(10)'
( (cat in.sql | head -n 30000; sleep 30) | sqlite3 c.db & echo $! >pid; wait ) 2>/dev/null & sleep 1; kill $! 2>/dev/null
for i in 1 2 3 4; do (for j in $(seq 20); do sqlite3 -cmd '.timeout 60000' d.db "create table if not exists n(x); insert into n values($i)"; done) & done >/dev/null; wait
sqlite3 d.db 'select x, count(*) from n group by x'
